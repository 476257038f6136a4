"""How devices are told: what is sent, when it is sent again, and what a crash or a second copy may do to it."""

import asyncio

import pytest

from deployer import mqtt_target, ticks
from strop import app, mqtt
from strop_wire import messages
from tests import brokers
from tests.integration.deployer import lab as labs
from tests.integration.deployer.lab import finish, turn

pytestmark = brokers.each


class TestSending:
    async def test_a_kill_between_publish_and_commit_sends_again(
        self, lab: labs.Lab, runtime: app.Runtime, target: mqtt_target.MqttTarget
    ) -> None:
        async with lab.fleet(1) as fleet:
            await lab.approve(1)
            with pytest.raises(Killed):
                await turn(ticks.Ticks(runtime.sessions, Dies(target), labs.QUICK))
            first = await fleet[0].hears()
            assert (await lab.rows())["cam-0"].state == "waiting"

            await turn(ticks.Ticks(runtime.sessions, target, labs.QUICK))

            assert await fleet[0].hears() == first
            assert (await lab.rows())["cam-0"].state == "sent"

    async def test_an_answer_that_is_quicker_than_the_commit_stays(
        self, lab: labs.Lab, runtime: app.Runtime, target: mqtt_target.MqttTarget
    ) -> None:
        async with lab.fleet(1) as fleet:
            await lab.approve(1)
            with pytest.raises(Killed):
                await turn(ticks.Ticks(runtime.sessions, Dies(target), labs.QUICK))
            await lab.answers(fleet[0], await fleet[0].hears())
            await turn(ticks.Ticks(runtime.sessions, target, labs.QUICK))

            row = (await lab.rows())["cam-0"]
            assert row.state == "installed"
            assert row.sent_at

    async def test_a_device_that_cannot_be_told_is_told_later_and_holds_up_nobody(
        self, lab: labs.Lab, runtime: app.Runtime, target: mqtt_target.MqttTarget
    ) -> None:
        async with lab.fleet(2) as (unlucky, lucky):
            await lab.approve(1, [1.0])
            await turn(ticks.Ticks(runtime.sessions, Refuses(target, unlucky.name), labs.QUICK))
            rows = await lab.rows()
            assert (rows[unlucky.name].state, rows[lucky.name].state) == ("waiting", "sent")

            await turn(ticks.Ticks(runtime.sessions, target, labs.QUICK))

            assert (await unlucky.hears()).model == "v1"

    async def test_two_deployers_make_one_deployment_and_tell_each_device_once(
        self, lab: labs.Lab, runtime: app.Runtime, target: mqtt_target.MqttTarget
    ) -> None:
        async with lab.fleet(8) as fleet, mqtt.connect(lab.url, labs.unique_client_id()) as client:
            await client.connected.wait()
            pair = [
                ticks.Ticks(runtime.sessions, each, labs.QUICK) for each in (target, mqtt_target.MqttTarget(client))
            ]
            for each in pair:  # each has seen its connection
                await each.send()
            await lab.model(1)
            await asyncio.gather(lab.approved(1), lab.approved(1))
            heard: dict[str, list[str]] = {device.name: [] for device in fleet}
            while await lab.history() == [(1, "rollout", "running")]:
                await asyncio.gather(*(turn(each) for each in pair))
                for device in fleet:
                    for desired in device.heard():
                        assert desired
                        heard[device.name].append(desired.model)
                        await lab.answers(device, desired)

            assert heard == {device.name: ["v1"] for device in fleet}
            assert await lab.history() == [(1, "rollout", "succeeded")]

    async def test_while_one_copy_sends_the_other_leaves_it_alone(
        self, lab: labs.Lab, runtime: app.Runtime, target: mqtt_target.MqttTarget
    ) -> None:
        async with lab.fleet(2):
            await lab.approve(1, [1.0])
            one_each = labs.QUICK.model_copy(update={"batch": 1})
            slow = Waits(target)
            sending = asyncio.create_task(ticks.Ticks(runtime.sessions, slow, one_each).send())
            await slow.asked.wait()
            await ticks.Ticks(runtime.sessions, target, one_each).send()
            assert {row.state for row in (await lab.rows()).values()} == {"waiting"}

            slow.free.set()
            await sending

            assert {row.state for row in (await lab.rows()).values()} == {"waiting", "sent"}

    async def test_more_devices_than_a_batch_are_told_in_several_ticks(
        self, lab: labs.Lab, runtime: app.Runtime, target: mqtt_target.MqttTarget
    ) -> None:
        async with lab.fleet(5) as fleet:
            await lab.approve(1, [1.0])
            ticking = ticks.Ticks(runtime.sessions, target, labs.QUICK.model_copy(update={"batch": 2}))
            told = []
            for _ in range(3):
                await turn(ticking)
                told.append([row.state for row in (await lab.rows()).values()].count("sent"))

            assert told == [2, 4, 5]
            for device in fleet:
                await device.hears()

    async def test_nothing_is_said_twice_without_need(self, lab: labs.Lab, ticking: ticks.Ticks) -> None:
        async with lab.fleet(3) as fleet:
            await lab.approve(1)
            await finish(lab, ticking, fleet)
            await lab.set_policy(1, **policy())
            for _ in range(3):
                await turn(ticking)

            for device in fleet:
                assert (await device.hears()).policy.version == 1
            assert [device.heard() for device in fleet] == [[], [], []]


class TestSendingAgain:
    async def test_a_new_policy_goes_to_everybody_under_the_deployment_each_follows(
        self, lab: labs.Lab, ticking: ticks.Ticks
    ) -> None:
        async with lab.fleet(4) as fleet:
            await lab.approve(1)
            await finish(lab, ticking, fleet)
            await lab.approve(2)
            await turn(ticking)
            (canary,) = await lab.stage(fleet, 0)
            await canary.hears()
            await lab.set_policy(1, **policy())
            await lab.set_policy(2, **policy(low=0.3))
            await turn(ticking)

            first, second = (str(each.id) for each in await lab.deployments())
            for device in fleet:
                desired = await device.hears()
                assert desired.policy == messages.Policy(version=2, low=0.3)
                expected = (second, "v2") if device is canary else (first, "v1")
                assert (desired.deployment, desired.model) == expected

    async def test_a_policy_that_cannot_be_read_does_not_stop_a_rollout(
        self, lab: labs.Lab, ticking: ticks.Ticks
    ) -> None:
        async with lab.fleet(1) as fleet:
            await lab.set_policy(1, low="much", budget_per_hour=10)
            await lab.approve(1)
            await turn(ticking)
            await turn(ticking)

            assert (await fleet[0].hears()).policy == messages.Policy()
            assert fleet[0].heard() == []

    async def test_a_device_that_was_seen_but_did_not_answer_is_told_again(
        self, lab: labs.Lab, ticking: ticks.Ticks
    ) -> None:
        async with lab.fleet(2) as (silent, away):
            await lab.approve(1, [1.0])
            await turn(ticking)
            for device in (silent, away):
                await device.hears()
            await lab.backdate(400)
            await lab.seen(silent)
            await lab.seen(away, ago=500)
            await turn(ticking)
            await turn(ticking)

            assert (await silent.hears()).model == "v1"
            assert silent.heard() == []
            assert away.heard() == []

    async def test_a_device_that_lost_its_model_is_told_again(self, lab: labs.Lab, ticking: ticks.Ticks) -> None:
        async with lab.fleet(1) as (device,):
            await lab.approve(1)
            await finish(lab, ticking, [device])
            await lab.backdate(400)
            await lab.seen(device)
            await turn(ticking)
            assert device.heard() == []

            await lab._device(device, model=None)
            await turn(ticking)

            assert (await device.hears()).model == "v1"


def policy(**changes: object) -> dict[str, object]:
    """A policy as the router keeps it: the device's part, and more that is none of its business."""
    return {"low": 0.6, "high": 0.9, "measure": "margin", "budget_per_hour": 10, **changes}


class Killed(BaseException):
    """As kill -9 would, at this very point."""


class Dies:
    """Takes the message, and then the process ends."""

    def __init__(self, real: mqtt_target.MqttTarget) -> None:
        self._real = real

    @property
    def epoch(self) -> int | None:
        return self._real.epoch

    async def send(self, project: str, device: str, desired: messages.Desired | None) -> None:
        await self._real.send(project, device, desired)
        raise Killed


class Refuses(Dies):
    """Does not take what is for one device."""

    def __init__(self, real: mqtt_target.MqttTarget, device: str) -> None:
        super().__init__(real)
        self._device = device

    async def send(self, project: str, device: str, desired: messages.Desired | None) -> None:
        if device == self._device:
            raise TimeoutError
        await self._real.send(project, device, desired)


class Waits(Dies):
    """Takes the message when it is set free."""

    def __init__(self, real: mqtt_target.MqttTarget) -> None:
        super().__init__(real)
        self.asked, self.free = asyncio.Event(), asyncio.Event()

    async def send(self, project: str, device: str, desired: messages.Desired | None) -> None:
        self.asked.set()
        await self.free.wait()
        await self._real.send(project, device, desired)
