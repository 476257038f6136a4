import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from strop_contracts import errors
from strop_wire import ids
from tests.integration.deployer import lab as labs


async def state(lab: labs.Lab, device: labs.PahoDevice) -> tuple[str, str | None]:
    row = (await lab.rows())[device.name]
    return row.state, row.reason


class TestModelApproved:
    async def test_a_deployment_starts_with_a_stage_for_every_device(self, lab: labs.Lab) -> None:
        async with lab.fleet(8) as fleet:
            await lab.approve(1)

            assert await lab.history() == [(1, "rollout", "running")]
            assert [len(await lab.stage(fleet, number)) for number in (0, 1)] == [2, 6]

    async def test_the_first_stage_is_drawn_from_the_devices_that_are_online(self, lab: labs.Lab) -> None:
        async with lab.fleet(8) as fleet:
            await lab.seen(*fleet[2:], ago=10_000)
            for version in (1, 2):  # another draw each time
                await lab.approve(version)

                assert await lab.stage(fleet, 0) == fleet[:2]

    async def test_a_second_approval_of_the_same_version_changes_nothing(self, lab: labs.Lab) -> None:
        async with lab.fleet(1):
            await lab.approve(1)
            await lab.approved(1)

            assert await lab.history() == [(1, "rollout", "running")]

    async def test_an_approval_that_comes_after_a_newer_one_is_written_down_and_does_nothing(
        self, lab: labs.Lab
    ) -> None:
        async with lab.fleet(1):
            await lab.approve(2)
            await lab.approve(1)

            assert await lab.history() == [(2, "rollout", "running"), (1, "rollout", "superseded")]
            assert (await lab.deployments())[1].reason == "v2 came first"

    async def test_approvals_at_the_same_moment_leave_the_newest_running(self, lab: labs.Lab) -> None:
        async with lab.fleet(2):
            for version in (1, 2, 3):
                await lab.model(version)
            await asyncio.gather(*(lab.approved(version) for version in (1, 2, 3)))

            assert {(version, found) for version, _, found in await lab.history()} == {
                (1, "superseded"),
                (2, "superseded"),
                (3, "running"),
            }

    @pytest.mark.parametrize("known", [False, True])
    async def test_a_version_that_is_unknown_or_refused_goes_to_the_dead_letters(
        self, lab: labs.Lab, known: bool
    ) -> None:
        async with lab.fleet(1):
            if known:
                await lab.model(1, state="refused")
            with pytest.raises(errors.InvalidMessage, match="no approved model version 1"):
                await lab.approved(1)

            assert await lab.history() == []


class TestDeviceReported:
    async def test_a_failure_is_kept_with_its_reason(self, lab: labs.Lab, ticking: labs.Ticking) -> None:
        async with lab.fleet(1) as (device,):
            await lab.approve(1)
            await ticking.publish()
            desired = await device.hears()
            await lab.answers(device, desired, failed="disk full")

            assert await state(lab, device) == ("failed", "disk full")

    async def test_a_device_that_failed_and_tries_again_may_install(self, lab: labs.Lab, ticking: labs.Ticking) -> None:
        async with lab.fleet(1) as (device,):
            await lab.approve(1)
            await ticking.publish()
            desired = await device.hears()
            await lab.answers(device, desired, failed="disk full")
            await lab.answers(device, desired)

            assert await state(lab, device) == ("installed", None)

    async def test_an_older_report_that_comes_late_changes_nothing(self, lab: labs.Lab, ticking: labs.Ticking) -> None:
        async with lab.fleet(1) as (device,):
            await lab.approve(1)
            await ticking.publish()
            answer = {"deployment_id": UUID((await device.hears()).deployment), "outcome": "installed"}
            now = datetime.now(UTC)
            await lab.reported(device, "v1", **answer, at=now)
            await lab.reported(device, None, **{**answer, "outcome": "failed"}, at=now - timedelta(seconds=1))

            assert await state(lab, device) == ("installed", None)

    async def test_a_repeated_answer_leaves_the_time_of_the_first(self, lab: labs.Lab, ticking: labs.Ticking) -> None:
        async with lab.fleet(1) as (device,):
            await lab.approve(1)
            await ticking.publish()
            desired = await device.hears()
            await lab.answers(device, desired)
            first = (await lab.rows())[device.name].answered_at
            await lab.answers(device, desired)

            assert (await lab.rows())[device.name].answered_at == first

    async def test_an_answer_to_another_deployment_is_ignored(self, lab: labs.Lab, ticking: labs.Ticking) -> None:
        async with lab.fleet(1) as (device,):
            await lab.approve(1)
            await ticking.publish()
            await lab.reported(device, None, deployment_id=ids.uuid7(), outcome="failed")

            assert await state(lab, device) == ("sent", None)

    async def test_a_device_that_runs_the_target_model_counts_as_installed(
        self, lab: labs.Lab, ticking: labs.Ticking
    ) -> None:
        async with lab.fleet(1) as (device,):
            await lab.approve(1)
            await ticking.publish()
            await lab.reported(device, "v1")

            assert await state(lab, device) == ("installed", None)

    async def test_a_device_that_follows_nothing_yet_is_ignored(self, lab: labs.Lab) -> None:
        async with lab.fleet(2) as fleet:
            await lab.approve(1)
            (other,) = await lab.stage(fleet, 1)
            await lab.reported(other, "v1")
            await lab.reported(labs.PahoDevice(lab.project, "nobody"), "v1")

            assert await state(lab, other) == ("waiting", None)
