"""Real agents, ingest and deployer: models that do harm are taken back by the counts of the first devices."""

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from deployer import __main__ as deployer
from deployer import policies
from ingest import __main__ as ingest
from strop import app, outbox
from strop_contracts import documents, events, states, tables
from strop_edge.agent import Agent
from strop_edge.config import Config
from tests import factories, wait
from tests.unit.edge import misbehaving, packages

DEVICES = tuple(f"cam-{n}" for n in range(12))
CANARIES = 4
POLICY = {"stages": "0.33,1", "soak": "6", "min_predictions": "400"}
EVALUATED = documents.Metrics(
    images=100,
    right=90,
    accuracy=None,
    answered=None,
    macro_f1=None,
    labels={},
    confusion=documents.Confusion(labels=(), counts=()),
    calibration=documents.Calibration(ece=None, bins=()),
)


def scenes(seed: int, stopping: threading.Event) -> Iterator[bytes]:
    """Images of one dominant colour, as many of each, some clearer than others."""
    draw = random.Random(seed)
    images = []
    for dominant in range(3):
        for _ in range(5):
            dark = [draw.randrange(60, 140) for _ in range(2)]
            dark.insert(dominant, draw.randrange(180, 250))
            images.append(packages.picture(dark[0], dark[1], dark[2]))
    while not stopping.is_set():
        yield draw.choice(images)


@contextmanager
def agents(url: str, project: str, folder: Path) -> Iterator[None]:
    stopping = threading.Event()
    running = [
        Agent(
            Config(url, project, device, folder / device, interval=0.08, state_every=0.5),
            scenes(n, stopping),
        )
        for n, device in enumerate(DEVICES)
    ]
    for agent in running:
        agent.start()
    try:
        yield
    finally:
        stopping.set()
        for agent in running:
            agent.stop()
        assert all(agent.join(wait.PATIENCE) for agent in running)


@asynccontextmanager
async def platform(runtime: app.Runtime) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for service in (ingest.build(runtime), deployer.build(runtime)):
            for loop in service.loops:
                group.create_task(loop(stop))
        group.create_task(outbox.relay(runtime.sessions, runtime.queues, stop, idle=0.05))
        yield
        stop.set()


class Fleet:
    def __init__(self, runtime: app.Runtime, project: str) -> None:
        self.runtime, self.project = runtime, project

    async def enrol(self) -> None:
        quiet = {"low": 0.0, "high": 1.0, "high_rate": 0.0, "audit_rate": 0.0}
        async with self.runtime.sessions.begin() as session:
            await factories.make_project(session, self.project, DEVICES)
            session.add(tables.Policy(project=self.project, version=1, body=quiet))
            await policies.change(session, self.project, POLICY, "ada")

    async def approve(self, package: packages.Package) -> int:
        """Store a package as a model version that a person has approved."""
        version = int(package.version[1:])
        async with self.runtime.sessions.begin() as session:
            model = await factories.make_model(session, version, self.project)
            files = {}
            for name, data in package.contents.items():
                key, file = f"{self.project}/models/{package.version}/{name}", package.files[name]
                await self.runtime.storage.put(key, data)
                files[name] = documents.StoredFile(sha256=file.sha256, size=file.size, key=key)
                await session.merge(tables.ModelFile(project=self.project, sha256=file.sha256, key=key, size=file.size))
            model.files, model.labels, model.champion = files, list(packages.LABELS), min(2, version - 1)
            session.add(
                tables.Evaluation(
                    project=self.project, model_version=version, part="base", metrics=EVALUATED, champion_right=90
                )
            )
            await outbox.add(session, events.ModelApproved(project=self.project, model_version=version))
        return version

    async def ended(self, version: int) -> tables.Deployment:
        """Wait until the rollout of a model has ended, and the fleet has the model that it should have."""
        D = tables.Deployment  # noqa: N806 - a table

        async def look() -> tables.Deployment | None:
            async with self.runtime.sessions() as session:
                rows = list(await session.scalars(select(D).where(D.project == self.project).order_by(D.at)))
            running = [row for row in rows if row.state == states.DeploymentState.RUNNING]
            return None if running else next((row for row in rows if row.model_version == version), None)

        async with asyncio.timeout(3 * wait.PATIENCE):
            while not (ended := await look()):
                await asyncio.sleep(0.2)
        return ended

    async def has_counted(self, images: int, model: str) -> None:
        """Wait until every device has counted so many images with a model."""
        H = tables.UsageHour  # noqa: N806 - a table

        async def look() -> bool:
            async with self.runtime.sessions() as session:
                rows = await session.execute(
                    select(H.device, H.classified).where(H.project == self.project, H.model == model)
                )
                return sum(count >= images for _, count in rows) >= len(DEVICES)

        await wait.until(look)


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROP_DEPLOYER_TICK", "0.2")


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("_quick")
async def test_real_agents_are_taken_back_from_each_bad_model_and_keep_the_good_one(
    runtime: app.Runtime, tmp_path: Path
) -> None:
    fleet, made = Fleet(runtime, runtime.settings.bucket), misbehaving.fleet_packages()
    await fleet.enrol()
    async with platform(runtime):
        with agents(runtime.settings.mqtt_url, fleet.project, tmp_path):
            assert (await fleet.ended(await fleet.approve(made["first"]))).state == "succeeded"
            await fleet.has_counted(100, "v1")
            good = await fleet.ended(await fleet.approve(made["good"]))
            assert (good.state, good.reason) == ("succeeded", None)
            await fleet.has_counted(100, "v2")
            for harm in ("labels", "doubt", "slower"):
                bad = await fleet.ended(await fleet.approve(made[harm]))
                assert (bad.state, bad.stage, bad.reached, bad.ended_by) == ("rolled_back", 0, CANARIES, "strop")
                assert bad.reason is not None
                assert bad.reason.startswith(f"{harm}: ")
