"""A model that does harm is taken back by what its first devices count, and a person may decide otherwise."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, update

from deployer import decisions, handlers, policies
from deployer.targets import recording
from strop import app
from strop_contracts import events, states, tables
from strop_wire import reports
from tests import factories, roles
from tests.integration.deployer import lab as labs
from tests.integration.deployer.lab import turn

FLEET = [labs.PahoDevice("", f"cam-{n}") for n in range(20)]
MIX = {"can": 60, "cup": 60}


class Rolling:
    """A fleet on v1 that begins with v2: devices answer at once, and count what the test says."""

    def __init__(self, lab: labs.Lab, runtime: app.Runtime) -> None:
        self.lab, self.runtime = lab, runtime
        self.target = recording.RecordingTarget()
        settings = labs.QUICK.model_copy(update={"soak": 600.0, "min_predictions": 100})
        self.ticking = labs.Ticking(runtime.sessions, self.target, settings)
        self.fleet = [labs.PahoDevice(lab.project, device.name) for device in FLEET]

    async def begin(self, **policy: str) -> None:
        async with roles.arranging(self.runtime).begin() as session:
            await factories.make_project(session, self.lab.project, tuple(device.name for device in self.fleet))
            await policies.change(session, self.lab.project, policy, "ada")
        await self.lab.seen(*self.fleet)
        await self.lab.approve(1, [1.0])
        await self.answered()
        await self.count("v1", self.fleet, MIX)
        await self.lab.approve(2, [0.2, 1.0])
        async with roles.arranging(self.runtime).begin() as session:
            await session.execute(update(tables.ModelVersion).values(labels=list(MIX)))
        await self.answered()

    async def answered(self) -> None:
        """Publish what is due, and let its devices answer."""
        await turn(self.ticking)
        orders, self.target.published = self.target.published, []
        for order in orders:
            assert order.desired
            await self.lab.answers(labs.PahoDevice(self.lab.project, order.assignment.device), order.desired)
        await self.ticking.settle()

    async def canaries(self) -> list[labs.PahoDevice]:
        return await self.lab.stage(self.fleet, 0)

    async def count(self, model: str, devices: list[labs.PahoDevice], mix: dict[str, int]) -> None:
        """Add to the counts of this hour, as ingest does."""
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        async with roles.arranging(self.runtime).begin() as session:
            for device in devices:
                key = (self.lab.project, device.name, model, 0, hour)
                row = await session.get(tables.UsageHour, key) or usage(*key)
                for label, images in mix.items():
                    row.predictions = {
                        **row.predictions,
                        label: [0] * 5 + [row.predictions[label][5] + images] + [0] * 4,
                    }
                row.classified += sum(mix.values())
                row.latency = [0] * 4 + [row.classified] + [0] * 9
                session.add(row)

    async def pass_time(self, seconds: float) -> None:
        """Let the rollout be older."""
        await self.lab.backdate(seconds)
        D = tables.Deployment  # noqa: N806 - a table
        newest = (await self.lab.deployments())[-1]
        async with roles.arranging(self.runtime).begin() as session:
            await session.execute(update(D).where(D.id == newest.id).values(looked_at=None))
        await self.ticking.settle()

    async def checks(self) -> dict[str, tables.RolloutCheck]:
        """The verdicts of the last look, by name."""
        async with roles.arranging(self.runtime)() as session:
            rows = await session.scalars(select(tables.RolloutCheck).order_by(tables.RolloutCheck.look))
            return {row.name: row for row in rows}

    async def spread(self, mix: dict[str, int]) -> None:
        """Count `mix` on devices with v2, and what they always count on the others."""
        canaries = await self.canaries()
        await self.count("v2", canaries, mix)
        await self.count("v1", [each for each in self.fleet if each not in canaries], MIX)


def usage(project: str, device: str, model: str, policy: int, hour: datetime) -> tables.UsageHour:
    none: dict[str, Any] = dict.fromkeys(MIX, [0] * reports.BINS)
    names = ("classified", "rejected", "failed", "low", "high", "audit")
    return tables.UsageHour(
        project=project,
        device=device,
        model=model,
        policy=policy,
        hour=hour,
        predictions=none,
        latency=[0] * 14,
        **dict.fromkeys(names, 0),
    )


@pytest.fixture
def rolling(lab: labs.Lab, runtime: app.Runtime) -> Rolling:
    return Rolling(lab, runtime)


async def test_a_model_that_always_says_one_class_is_taken_back_in_the_first_stage(rolling: Rolling) -> None:
    await rolling.begin()
    await rolling.spread({"can": 120})
    await rolling.pass_time(120)

    _, bad, back = await rolling.lab.deployments()
    assert (bad.state, bad.ended_by, bad.reached, bad.stage) == ("rolled_back", "strop", 4, 0)
    assert bad.reason is not None
    assert bad.reason.startswith("labels: Predictions of can: 50.0% before, 100.0% with v2 on 4 devices")
    labels = (await rolling.checks())["labels"]
    assert labels.verdict == "breach"
    assert labels.effect == pytest.approx(0.5)
    assert back.restored_at is None

    await rolling.answered()
    await rolling.ticking.settle()

    back = (await rolling.lab.deployments())[-1]
    assert back.state == "succeeded"
    assert back.restored_at
    assert back.restored_at > back.at


async def test_a_model_that_counts_alike_reaches_the_whole_fleet_after_its_soak_time(rolling: Rolling) -> None:
    await rolling.begin()
    await rolling.spread(MIX)
    await rolling.pass_time(120)
    assert {check.verdict for name, check in (await rolling.checks()).items() if name != "accuracy"} == {"pass"}
    assert (await rolling.lab.deployments())[-1].stage == 0

    await rolling.pass_time(600)
    await rolling.answered()
    await rolling.answered()

    assert await rolling.lab.history() == [(1, "rollout", "succeeded"), (2, "rollout", "succeeded")]


async def test_without_counts_a_stage_waits_and_nothing_is_taken_back(rolling: Rolling) -> None:
    await rolling.begin()
    await rolling.pass_time(700)

    running = (await rolling.lab.deployments())[-1]
    assert (running.state, running.stage, running.looks) == ("running", 0, 0)
    assert running.waits_for == "100 predictions of the new model; there are 0"
    assert {check.verdict for check in (await rolling.checks()).values()} == {"wait"}


async def test_a_breach_that_holds_waits_for_a_person_whose_approval_stays(rolling: Rolling) -> None:
    await rolling.begin(on_breach="hold")
    await rolling.spread({"can": 120})
    await rolling.pass_time(120)
    held = (await rolling.lab.deployments())[-1]
    assert (held.state, held.held_by) == ("running", "strop")

    async with rolling.runtime.sessions.begin() as session:
        await decisions.approve(session, rolling.lab.project, "ada", "the camera shows cans only")
        await policies.change(session, rolling.lab.project, {"on_breach": "rollback"}, "ada")
    await rolling.pass_time(120)

    approved = (await rolling.lab.deployments())[-1]
    assert (approved.state, approved.stage, approved.waived) == ("running", 1, ["labels"])
    assert (await rolling.checks())["labels"].verdict == "breach"


async def test_the_end_of_a_rollout_is_published_to_its_project(rolling: Rolling) -> None:
    await rolling.begin()
    await rolling.spread({"can": 120})
    await rolling.pass_time(120)
    bad = (await rolling.lab.deployments())[1]
    async with roles.arranging(rolling.runtime)() as session:
        sent = [events.loads(body) for body in await session.scalars(select(tables.Outbox.body))]
    (event,) = [each for each in sent if isinstance(each, events.DeploymentRolledBack)]
    assert (event.deployment_id, event.automatic, event.to_version, event.devices_reached) == (bad.id, True, 1, 4)

    await handlers.on_deployment_rolled_back(event, runtime=rolling.runtime, target=rolling.target)

    assert rolling.target.announced == [event]
    assert (await rolling.lab.deployments())[1].announced_at
    assert bad.state == states.DeploymentState.ROLLED_BACK
