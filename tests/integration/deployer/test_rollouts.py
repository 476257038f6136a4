import pytest

from strop_contracts import errors
from tests.integration.deployer import lab as labs
from tests.integration.deployer.lab import finish


class TestRollBackOnCommand:
    async def test_the_current_model_goes_back_to_the_one_before(self, lab: labs.Lab, ticking: labs.Ticking) -> None:
        async with lab.fleet(3) as fleet:
            await three_good_models(lab, ticking, fleet)
            back = await lab.roll_back()
            await finish(lab, ticking, fleet)

            assert back
            assert (back.model_version, back.previous_version, back.stages) == (2, 3, [1.0])
            assert (await lab.history())[2:] == [(3, "rollout", "rolled_back"), (2, "rollback", "succeeded")]
            assert (await lab.deployments())[2].reason == "the operator says so"

    async def test_asked_again_it_goes_further_back_until_nothing_is_left(
        self, lab: labs.Lab, ticking: labs.Ticking
    ) -> None:
        async with lab.fleet(1) as fleet:
            await three_good_models(lab, ticking, fleet)
            for version in (2, 1):
                back = await lab.roll_back()
                await finish(lab, ticking, fleet)
                assert back
                assert back.model_version == version

            with pytest.raises(errors.Refused, match="no earlier good model"):
                await lab.roll_back()

    async def test_a_version_can_be_named(self, lab: labs.Lab, ticking: labs.Ticking) -> None:
        async with lab.fleet(1) as fleet:
            await three_good_models(lab, ticking, fleet)
            await lab.roll_back(1)
            await finish(lab, ticking, fleet)

            assert (await lab.history())[2:] == [(3, "rollout", "rolled_back"), (1, "rollback", "succeeded")]

    async def test_after_a_named_version_a_failed_rollout_returns_to_that_one(
        self, lab: labs.Lab, ticking: labs.Ticking
    ) -> None:
        async with lab.fleet(1) as (device,):
            await three_good_models(lab, ticking, [device])
            await lab.roll_back(1)
            await finish(lab, ticking, [device])
            await lab.approve(4)
            await ticking.publish()
            await lab.answers(device, await device.hears(), failed="disk full")
            await ticking.settle()

            assert (await lab.history())[-2:] == [(4, "rollout", "rolled_back"), (1, "rollback", "running")]

    async def test_a_running_rollout_is_taken_back_from_those_it_has_reached(
        self, lab: labs.Lab, ticking: labs.Ticking
    ) -> None:
        async with lab.fleet(4) as fleet:
            await lab.approve(1)
            await finish(lab, ticking, fleet)
            await lab.approve(2)
            await ticking.publish()
            await lab.roll_back()
            await finish(lab, ticking, fleet)

            assert await lab.history() == [
                (1, "rollout", "succeeded"),
                (2, "rollout", "rolled_back"),
                (1, "rollback", "succeeded"),
            ]

    async def test_a_first_rollout_is_stopped(self, lab: labs.Lab) -> None:
        async with lab.fleet(1):
            await lab.approve(1)

            assert await lab.roll_back() is None
            assert await lab.history() == [(1, "rollout", "rolled_back")]

    async def test_an_older_version_than_those_known_can_still_be_refused_by_the_gate(self, lab: labs.Lab) -> None:
        async with lab.fleet(1):
            await lab.approve(2)
            await lab.model(1, state="refused")

            with pytest.raises(errors.Refused, match="model version 1 is refused"):
                await lab.roll_back(1)

    async def test_an_impossible_rollback_is_refused_and_changes_nothing(self, lab: labs.Lab) -> None:
        async with lab.fleet(1):
            with pytest.raises(errors.Refused, match="nothing is deployed"):
                await lab.roll_back()
            await lab.approve(1)
            with pytest.raises(errors.NotFound, match="no model version 9"):
                await lab.roll_back(9)
            with pytest.raises(errors.Refused, match="the one to be taken back"):
                await lab.roll_back(1)

            assert await lab.history() == [(1, "rollout", "running")]


async def three_good_models(lab: labs.Lab, ticking: labs.Ticking, fleet: list[labs.PahoDevice]) -> None:
    for version in (1, 2, 3):
        await lab.approve(version)
        await finish(lab, ticking, fleet)
