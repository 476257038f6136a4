import structlog

from deployer import rules
from deployer.targets import recording
from strop import app
from strop_wire import messages
from tests import factories, roles
from tests.integration.deployer import lab as labs
from tests.integration.deployer.lab import finish, turn


class TestStages:
    async def test_the_second_stage_is_published_after_the_first_has_installed(
        self, lab: labs.Lab, ticking: labs.Ticking
    ) -> None:
        async with lab.fleet(4) as fleet:
            await lab.approve(1)
            await turn(ticking)
            (canary,) = await lab.stage(fleet, 0)
            others = await lab.stage(fleet, 1)
            desired = await canary.hears()
            await turn(ticking)
            assert [device.heard() for device in others] == [[], [], []]

            await lab.answers(canary, desired)
            await turn(ticking)
            for device in others:
                await lab.answers(device, await device.hears())
            await turn(ticking)

            assert desired.model == "v1"
            assert desired.files["head.onnx"] == messages.ModelFile(f"{1:064x}", 1001)
            assert desired.policy == messages.Policy()
            assert canary.heard() == []
            assert await lab.history() == [(1, "rollout", "succeeded")]
            (deployment,) = await lab.deployments()
            assert deployment.finished_at
            assert deployment.at < deployment.stage_at < deployment.finished_at
            assert {row.state for row in (await lab.rows()).values()} == {"installed"}

    async def test_a_fleet_of_one_gets_its_model(self, lab: labs.Lab, ticking: labs.Ticking) -> None:
        async with lab.fleet(1) as fleet:
            await lab.approve(1)
            await turn(ticking)
            await lab.answers(fleet[0], await fleet[0].hears())
            await turn(ticking)
            await turn(ticking)

            assert await lab.history() == [(1, "rollout", "succeeded")]

    async def test_a_device_that_was_offline_receives_its_desired_when_it_reconnects(
        self, lab: labs.Lab, ticking: labs.Ticking
    ) -> None:
        async with lab.fleet(3) as fleet:
            await lab.approve(1, [1.0])
            async with lab.joins("sleeper") as sleeper:
                await lab.seen(sleeper, ago=10_000)
            for device in fleet:
                await turn(ticking)
                await lab.answers(device, await device.hears())
            await turn(ticking)
            assert await lab.history() == [(1, "rollout", "succeeded")]

            async with sleeper.online(lab.url):
                await lab.answers(sleeper, await sleeper.hears())

            assert (await lab.rows())["sleeper"].state == "installed"

    async def test_other_devices_replace_a_canary_that_stays_offline(
        self, lab: labs.Lab, ticking: labs.Ticking
    ) -> None:
        async with lab.fleet(4) as fleet:
            await lab.approve(1)
            (canary,) = await lab.stage(fleet, 0)
            await lab.seen(canary, ago=10_000)
            await turn(ticking)
            await turn(ticking)
            assert len(await lab.stage(fleet, 0)) == 1

            await lab.backdate(rules.GRACE)  # the stage still has most of its hour
            await turn(ticking)

            first = await lab.stage(fleet, 0)
            assert len(first) == 2
            (stand_in,) = [device for device in first if device is not canary]
            await lab.answers(stand_in, await stand_in.hears())
            await turn(ticking)
            assert (await lab.deployments())[0].stage == 1

    async def test_a_device_never_seen_does_not_delay_the_one_that_is_online(
        self, lab: labs.Lab, runtime: app.Runtime, ticking: labs.Ticking
    ) -> None:
        line_7, line_8 = (labs.PahoDevice(lab.project, name) for name in ("line-7", "line-8"))
        async with roles.arranging(runtime).begin() as session:
            await factories.make_project(session, lab.project, (line_7.name, line_8.name))
        async with line_7.online(lab.url):
            await lab.seen(line_7)
            for version in (1, 2, 3):  # each draws anew: it is always the same one that can answer
                await lab.approve(version)
                await turn(ticking)
                await lab.answers(line_7, await line_7.hears())
                await turn(ticking)
                await turn(ticking)

        assert await lab.history() == [(version, "rollout", "succeeded") for version in (1, 2, 3)]
        async with line_8.online(lab.url):
            desired = await line_8.hears()
            assert desired.model == "v3"
            await lab.answers(line_8, desired)
        assert (await lab.rows())["line-8"].state == "installed"

    async def test_a_fleet_first_enrolled_and_then_switched_on_does_not_wait_for_the_dark_canary(
        self, lab: labs.Lab, runtime: app.Runtime, ticking: labs.Ticking
    ) -> None:
        devices = [labs.PahoDevice(lab.project, name) for name in ("line-7", "line-8")]
        async with roles.arranging(runtime).begin() as session:
            await factories.make_project(session, lab.project, tuple(device.name for device in devices))
        await lab.approve(1)
        await turn(ticking)
        (lit,) = await lab.stage(devices, 1)
        async with lit.online(lab.url):
            await lab.seen(lit)
            await lab.backdate(rules.GRACE)
            await turn(ticking)
            await lab.answers(lit, await lit.hears())
            await turn(ticking)
            await turn(ticking)

        assert await lab.history() == [(1, "rollout", "succeeded")]

    async def test_the_age_of_a_stage_does_not_grow_while_the_broker_is_unreachable(
        self, lab: labs.Lab, runtime: app.Runtime
    ) -> None:
        async with lab.fleet(4):
            await lab.approve(1)
            (before,) = await lab.deployments()
            target = recording.RecordingTarget()
            target.generation = None
            ticking = labs.Ticking(runtime.sessions, target)
            await lab.backdate(4000)
            await turn(ticking)

            (after,) = await lab.deployments()
            assert after.stage_at > before.stage_at
            assert {row.state for row in (await lab.rows()).values()} == {"waiting"}
            assert target.published == []

    async def test_a_project_without_devices_waits_for_the_first_one(
        self, lab: labs.Lab, ticking: labs.Ticking
    ) -> None:
        async with lab.fleet(0):
            await lab.approve(1)
            await turn(ticking)
            async with lab.joins("first") as device:
                await turn(ticking)
                await lab.answers(device, await device.hears())
                await turn(ticking)
                await turn(ticking)

            assert await lab.history() == [(1, "rollout", "succeeded")]


class TestLateDevices:
    async def test_a_late_joiner_gets_the_version_its_stage_allows(self, lab: labs.Lab, ticking: labs.Ticking) -> None:
        async with lab.fleet(4) as fleet:
            await lab.approve(1)
            await finish(lab, ticking, fleet)
            await lab.approve(2)
            await turn(ticking)
            running = str((await lab.deployments())[-1].id)
            early = next(f"new-{n}" for n in range(99) if rules.late(f"new-{n}", running, labs.STAGES) == 0)
            late = next(f"new-{n}" for n in range(99) if rules.late(f"new-{n}", running, labs.STAGES) == 1)

            async with lab.joins(early) as first, lab.joins(late) as last:
                await turn(ticking)
                one, other = await first.hears(), await last.hears()
                assert (one.model, other.model) == ("v2", "v1")
                assert one.deployment == running

                await lab.answers(first, one)
                await lab.answers(last, other)
                await finish(lab, ticking, [*fleet, first, last])
                assert (await lab.rows())[late].state == "installed"

    async def test_a_device_enrolled_after_the_end_gets_the_current_model(
        self, lab: labs.Lab, ticking: labs.Ticking
    ) -> None:
        async with lab.fleet(2) as fleet:
            await lab.approve(1)
            await finish(lab, ticking, fleet)
            async with lab.joins("newcomer") as newcomer:
                await turn(ticking)
                desired = await newcomer.hears()
                await lab.answers(newcomer, desired)

            assert desired.model == "v1"
            assert (await lab.rows())["newcomer"].state == "installed"


class TestRollback:
    async def test_a_failing_canary_takes_the_whole_fleet_back(self, lab: labs.Lab, ticking: labs.Ticking) -> None:
        async with lab.fleet(4) as fleet:
            await lab.approve(1)
            await finish(lab, ticking, fleet)
            await lab.approve(2)
            await turn(ticking)
            (canary,) = await lab.stage(fleet, 0)
            await lab.answers(canary, await canary.hears(), failed="self-test: 3 of 4 samples differ")
            await turn(ticking)
            for device in fleet:
                desired = await device.hears()
                assert desired.model == "v1"
                await lab.answers(device, desired)
            await turn(ticking)

            assert await lab.history() == [
                (1, "rollout", "succeeded"),
                (2, "rollout", "rolled_back"),
                (1, "rollback", "succeeded"),
            ]
            _, bad, back = await lab.deployments()
            assert bad.reason == back.reason == "1 of 1 devices failed to install"
            assert (await lab.rows(bad))[canary.name].reason == "self-test: 3 of 4 samples differ"
            assert back.finished_at
            assert back.finished_at > back.at

    async def test_a_model_that_was_taken_back_does_not_come_again_by_itself(
        self, lab: labs.Lab, ticking: labs.Ticking
    ) -> None:
        async with lab.fleet(2) as fleet:
            await lab.approve(1)
            await finish(lab, ticking, fleet)
            await lab.approve(2)
            await lab.roll_back()
            await finish(lab, ticking, fleet)
            await lab.approved(2)
            await turn(ticking)

            assert [version for version, _, _ in await lab.history()] == [1, 2, 1]

    async def test_a_first_rollout_that_fails_stops_and_is_cleared_at_the_broker(
        self, lab: labs.Lab, ticking: labs.Ticking
    ) -> None:
        async with lab.fleet(2) as fleet:
            await lab.approve(1)
            await turn(ticking)
            (canary,) = await lab.stage(fleet, 0)
            (other,) = await lab.stage(fleet, 1)
            await lab.answers(canary, await canary.hears(), failed="disk full")
            await turn(ticking)
            await canary.hears_empty()
            await turn(ticking)

            assert await lab.history() == [(1, "rollout", "rolled_back")]
            assert other.heard() == []
            async with labs.PahoDevice(lab.project, canary.name).online(lab.url) as again:
                await lab.approve(2, [1.0])
                await turn(ticking)
                assert (await again.hears()).model == "v2"  # and not the retained v1 before it

    async def test_devices_on_a_model_taken_back_are_led_home_though_a_newer_one_came_meanwhile(
        self, lab: labs.Lab, ticking: labs.Ticking
    ) -> None:
        async with lab.fleet(8) as fleet:
            await lab.approve(1)
            await finish(lab, ticking, fleet)
            await lab.approve(2, [1.0])
            await turn(ticking)
            for device in fleet:
                assert (await device.hears()).model == "v2"
            await lab.roll_back()
            await lab.approve(3)
            await turn(ticking)

            canaries = await lab.stage(fleet, 0)
            for device in fleet:
                assert (await device.hears()).model == ("v3" if device in canaries else "v1")


class TestSuperseding:
    async def test_a_newer_model_takes_the_place_of_a_running_rollout(
        self, lab: labs.Lab, ticking: labs.Ticking
    ) -> None:
        async with lab.fleet(4) as fleet:
            await lab.approve(1)
            await finish(lab, ticking, fleet)
            await lab.approve(2)
            await turn(ticking)
            (canary,) = await lab.stage(fleet, 0)
            assert (await canary.hears()).model == "v2"
            await lab.approve(3)
            await finish(lab, ticking, fleet)

            assert await lab.history() == [
                (1, "rollout", "succeeded"),
                (2, "rollout", "superseded"),
                (3, "rollout", "succeeded"),
            ]
            assert (await lab.deployments())[2].previous_version == 1


class TestIsolation:
    async def test_a_project_that_fails_does_not_stop_the_others(
        self, lab: labs.Lab, runtime: app.Runtime, ticking: labs.Ticking
    ) -> None:
        poisoned = labs.Lab(runtime, "a-poisoned-project")
        async with poisoned.fleet(1), lab.fleet(1) as (device,):
            for each in (poisoned, lab):
                await each.approve(1, [1.0])
                await turn(ticking)
            await poisoned.damage_stages()
            async with poisoned.joins("late"):
                await lab.answers(device, await device.hears())
                with structlog.testing.capture_logs() as logged:
                    await ticking.settle()

            assert [entry["project"] for entry in logged if entry["event"] == "tick_failed"] == [poisoned.project]
            assert await lab.history() == [(1, "rollout", "succeeded")]
            assert await poisoned.history() == [(1, "rollout", "running")]
