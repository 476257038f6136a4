"""When orders are published, when again, and what a crash or a second copy does to them."""

import asyncio
import time
from collections.abc import Collection, Sequence

import pytest
from sqlalchemy import text

from deployer.targets import base
from deployer.targets import mqtt as mqtt_target
from strop import app, mqtt
from strop_contracts import states
from strop_wire import messages
from tests import brokers, roles
from tests.integration.deployer import lab as labs
from tests.integration.deployer.lab import finish, turn

pytestmark = brokers.each

OPEN_TRANSACTIONS = text(
    "select * from pg_stat_activity where state like 'idle in transaction%' and datname = current_database()"
)


class TestPublishing:
    async def test_a_kill_between_publish_and_commit_sends_again(
        self, lab: labs.Lab, runtime: app.Runtime, target: mqtt_target.MqttTarget
    ) -> None:
        async with lab.fleet(1) as fleet:
            await lab.approve(1)
            with pytest.raises(Killed):
                await turn(labs.Ticking(runtime.sessions, Dies(target), labs.QUICK))
            first = await fleet[0].hears()
            await turn(labs.Ticking(runtime.sessions, target, labs.QUICK))
            assert (await lab.rows())["cam-0"].state == "waiting"  # its order may still be on the way
            await lab.end_leases()

            await turn(labs.Ticking(runtime.sessions, target, labs.QUICK))

            assert await fleet[0].hears() == first
            assert (await lab.rows())["cam-0"].state == "sent"

    async def test_an_answer_that_is_quicker_than_the_commit_stays(
        self, lab: labs.Lab, runtime: app.Runtime, target: mqtt_target.MqttTarget
    ) -> None:
        async with lab.fleet(1) as fleet:
            await lab.approve(1)
            with pytest.raises(Killed):
                await turn(labs.Ticking(runtime.sessions, Dies(target), labs.QUICK))
            await lab.answers(fleet[0], await fleet[0].hears())
            await lab.end_leases()
            await turn(labs.Ticking(runtime.sessions, target, labs.QUICK))

            row = (await lab.rows())["cam-0"]
            assert row.state == "installed"
            assert row.sent_at

    async def test_an_order_that_cannot_be_published_is_retried_and_delays_no_other(
        self, lab: labs.Lab, runtime: app.Runtime, target: mqtt_target.MqttTarget
    ) -> None:
        async with lab.fleet(2) as (unlucky, lucky):
            await lab.approve(1, [1.0])
            await turn(labs.Ticking(runtime.sessions, Refuses(target, unlucky.name), labs.QUICK))
            rows = await lab.rows()
            assert (rows[unlucky.name].state, rows[lucky.name].state) == ("waiting", "sent")

            await turn(labs.Ticking(runtime.sessions, target, labs.QUICK))

            assert (await unlucky.hears()).model == "v1"

    async def test_two_deployers_make_one_deployment_and_tell_each_device_once(
        self, lab: labs.Lab, runtime: app.Runtime, target: mqtt_target.MqttTarget
    ) -> None:
        async with lab.fleet(8) as fleet, mqtt.connect(lab.url, labs.unique_client_id()) as client:
            await client.connected.wait()
            pair = [
                labs.Ticking(runtime.sessions, each, labs.QUICK) for each in (target, mqtt_target.MqttTarget(client))
            ]
            for each in pair:  # each has observed its connection
                await each.publish()
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

    async def test_while_one_copy_publishes_to_a_device_the_other_serves_another(
        self, lab: labs.Lab, runtime: app.Runtime, target: mqtt_target.MqttTarget
    ) -> None:
        async with lab.fleet(2) as fleet:
            await lab.approve(1, [1.0])
            one_each = labs.QUICK.model_copy(update={"batch": 1})
            slow = Waits(target)
            publishing = asyncio.create_task(labs.Ticking(runtime.sessions, slow, one_each).publish())
            await slow.asked.wait()
            other = labs.Ticking(runtime.sessions, target, one_each)
            for _ in range(2):
                await other.publish()
            assert sorted(row.state for row in (await lab.rows()).values()) == ["sent", "waiting"]

            slow.free.set()
            await publishing

            assert {row.state for row in (await lab.rows()).values()} == {"sent"}
            for device in fleet:
                assert (await device.hears()).model == "v1"
            assert [device.heard() for device in fleet] == [[], []]

    async def test_no_transaction_is_open_while_the_target_is_called(
        self, lab: labs.Lab, runtime: app.Runtime, target: mqtt_target.MqttTarget
    ) -> None:
        async with lab.fleet(1):
            await lab.approve(1, [1.0])
            slow = Waits(target)
            publishing = asyncio.create_task(labs.Ticking(runtime.sessions, slow).publish())
            await slow.asked.wait()
            async with roles.arranging(runtime)() as session:
                assert not (await session.execute(OPEN_TRANSACTIONS)).all()

            slow.free.set()
            await publishing

    async def test_a_rollback_during_a_publication_is_published_after_it(
        self, lab: labs.Lab, runtime: app.Runtime, target: mqtt_target.MqttTarget, ticking: labs.Ticking
    ) -> None:
        async with lab.fleet(1) as (device,):
            await lab.approve(1)
            await finish(lab, ticking, [device])
            await lab.approve(2, [1.0])
            slow = Waits(target)
            publishing = asyncio.create_task(labs.Ticking(runtime.sessions, slow).publish())
            await slow.asked.wait()
            await lab.roll_back()
            await turn(ticking)
            assert device.heard() == []

            slow.free.set()
            await publishing
            await turn(ticking)

            assert [(await device.hears()).model for _ in range(2)] == ["v2", "v1"]

    async def test_a_withdrawal_during_a_first_publication_is_published_after_it(
        self, lab: labs.Lab, runtime: app.Runtime, target: mqtt_target.MqttTarget, ticking: labs.Ticking
    ) -> None:
        async with lab.fleet(1) as (device,):
            await lab.approve(1, [1.0])
            slow = Waits(target)
            publishing = asyncio.create_task(labs.Ticking(runtime.sessions, slow).publish())
            await slow.asked.wait()
            await lab.roll_back()
            slow.free.set()
            await publishing
            await turn(ticking)

            assert (await device.hears()).model == "v1"
            await device.hears_empty()

    async def test_a_project_that_fails_does_not_stop_the_others(
        self, lab: labs.Lab, runtime: app.Runtime, target: mqtt_target.MqttTarget
    ) -> None:
        poisoned = labs.Lab(runtime, "a-poisoned-project")
        async with poisoned.fleet(3), lab.fleet(1) as (device,):
            for each in (poisoned, lab):
                await each.approve(1, [1.0])
            await poisoned.lose_files(1)
            ticking = labs.Ticking(runtime.sessions, target, labs.QUICK.model_copy(update={"batch": 3}))
            while device.nothing_heard():
                await turn(ticking)

            assert (await lab.rows())[device.name].state == "sent"
            assert {row.state for row in (await poisoned.rows()).values()} == {"waiting"}

    async def test_more_orders_than_a_batch_are_published_in_one_tick_at_the_limited_rate(
        self, lab: labs.Lab, runtime: app.Runtime, target: mqtt_target.MqttTarget
    ) -> None:
        async with lab.fleet(5) as fleet:
            await lab.approve(1, [1.0])
            ticking = labs.Ticking(runtime.sessions, target, labs.QUICK.model_copy(update={"batch": 2, "rate": 20}))
            began = time.monotonic()
            await turn(ticking)

            assert {row.state for row in (await lab.rows()).values()} == {states.InstallState.SENT}
            assert time.monotonic() - began >= 3 * 2 / 20  # three batches of two
            for device in fleet:
                await device.hears()

    async def test_an_order_is_published_once(self, lab: labs.Lab, ticking: labs.Ticking) -> None:
        async with lab.fleet(3) as fleet:
            await lab.approve(1)
            await finish(lab, ticking, fleet)
            await lab.set_policy(1, **policy())
            for _ in range(3):
                await turn(ticking)

            for device in fleet:
                assert (await device.hears()).policy.version == 1
            assert [device.heard() for device in fleet] == [[], [], []]


class TestPublishingAgain:
    async def test_a_new_policy_goes_to_everybody_under_the_deployment_each_follows(
        self, lab: labs.Lab, ticking: labs.Ticking
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
        self, lab: labs.Lab, ticking: labs.Ticking
    ) -> None:
        async with lab.fleet(1) as fleet:
            await lab.set_policy(1, low="much", budget_per_hour=10)
            await lab.approve(1)
            await turn(ticking)
            await turn(ticking)

            assert (await fleet[0].hears()).policy == messages.Policy()
            assert fleet[0].heard() == []

    async def test_a_device_that_was_seen_and_did_not_answer_gets_its_order_again(
        self, lab: labs.Lab, ticking: labs.Ticking
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

    async def test_a_device_that_lost_its_model_gets_its_order_again(
        self, lab: labs.Lab, ticking: labs.Ticking
    ) -> None:
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
    """Accepts the orders, and then the process is killed."""

    def __init__(self, real: base.Target) -> None:
        self._real = real
        self.opened, self.ready = real.opened, real.ready
        self.observe, self.announce = real.observe, real.announce

    async def publish(self, orders: Sequence[base.Order]) -> Collection[base.Assignment]:
        await self._real.publish(orders)
        raise Killed


class Refuses(Dies):
    """Does not accept the order of one device."""

    def __init__(self, real: base.Target, device: str) -> None:
        super().__init__(real)
        self._device = device

    async def publish(self, orders: Sequence[base.Order]) -> Collection[base.Assignment]:
        return await self._real.publish([order for order in orders if order.assignment.device != self._device])


class Waits(Dies):
    """Publishes once it is set free."""

    def __init__(self, real: base.Target) -> None:
        super().__init__(real)
        self.asked, self.free = asyncio.Event(), asyncio.Event()

    async def publish(self, orders: Sequence[base.Order]) -> Collection[base.Assignment]:
        self.asked.set()
        await self.free.wait()
        return await self._real.publish(orders)
