import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from deployer import answers, targets
from deployer.targets import base, recording
from deployer.targets import mqtt as mqtt_target
from strop import app, mqtt
from strop_contracts import errors, events, states
from strop_wire import messages, topics
from tests import brokers, wait
from tests.integration.deployer import lab as labs
from tests.integration.deployer.lab import finish


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[brokers.Broker]:
    """The embedded one, which keeps what it retains in memory only."""
    made = brokers.Broker(tmp_path, brokers.EMBEDDED)
    made.start()
    yield made
    made.kill()


async def test_orders_are_published_again_after_the_broker_lost_them(
    lab: labs.Lab, runtime: app.Runtime, forgetful: brokers.Broker
) -> None:
    lab.url = forgetful.url
    async with mqtt.connect(forgetful.url, labs.unique_client_id()) as client:
        await client.connected.wait()
        ticking = labs.Ticking(runtime.sessions, mqtt_target.MqttTarget(client), labs.QUICK)
        async with lab.fleet(2) as fleet:
            await lab.approve(1)
            await finish(lab, ticking, fleet)

        session = client.session
        await asyncio.to_thread(forgetful.kill)
        await asyncio.to_thread(forgetful.start)
        while client.session == session or not client.connected.is_set():
            await asyncio.sleep(0.02)
        await ticking.publish()

        for device in fleet:
            async with device.online(lab.url):  # after the sending: what it hears now was retained
                assert (await device.hears()).model == "v1"


async def test_no_order_is_recorded_as_sent_while_the_broker_is_unreachable(
    lab: labs.Lab, runtime: app.Runtime, forgetful: brokers.Broker
) -> None:
    async with mqtt.connect(forgetful.url, labs.unique_client_id()) as client:
        await client.connected.wait()
        target = mqtt_target.MqttTarget(client)
        await asyncio.to_thread(forgetful.kill)
        while target.ready():
            await asyncio.sleep(0.02)
        async with lab.fleet(1):
            await lab.approve(1)
            await labs.Ticking(runtime.sessions, target, labs.QUICK).publish()

            assert (await lab.rows())["cam-0"].state == "waiting"
        await asyncio.to_thread(forgetful.start)


async def test_an_empty_desired_clears_what_the_embedded_broker_retains(forgetful: brokers.Broker) -> None:
    device, other = labs.PahoDevice("p", "one"), labs.PahoDevice("p", "two")
    async with mqtt.connect(forgetful.url, labs.unique_client_id()) as client:
        await client.connected.wait()
        target = mqtt_target.MqttTarget(client)
        await target.publish([order(device, labs.DESIRED), order(other, labs.DESIRED)])
        await target.publish([order(device, None)])
        async with device.online(forgetful.url), other.online(forgetful.url):
            assert await other.hears() == labs.DESIRED
            await target.publish([order(device, labs.DESIRED)])

            assert await device.hears() == labs.DESIRED
            assert device.heard() == []


def rolled_back(project: str) -> events.DeploymentRolledBack:
    return events.DeploymentRolledBack(
        project=project,
        deployment_id=UUID(int=1),
        model_version=2,
        to_version=1,
        automatic=True,
        by=states.AUTOMATIC,
        reason="labels: …",
        devices_reached=4,
    )


async def test_an_event_is_published_to_those_who_follow_the_project(
    lab: labs.Lab, target: mqtt_target.MqttTarget
) -> None:
    topic, event = topics.events(lab.project), rolled_back(lab.project)
    async with mqtt.connect(lab.url, labs.unique_client_id(), [topic]) as follower:
        await follower.connected.wait()
        await target.announce(event)
        (message,) = await wait.within(follower.batch(), wait.PATIENCE)

    assert message.topic == topic
    assert events.loads(message.payload.decode()) == event


async def test_an_event_is_retried_while_the_broker_is_unreachable(forgetful: brokers.Broker) -> None:
    forgetful.kill()
    async with mqtt.connect(forgetful.url, labs.unique_client_id()) as client:
        with pytest.raises(errors.RetryLater):
            await mqtt_target.MqttTarget(client).announce(rolled_back("cans"))


def order(device: labs.PahoDevice, desired: messages.Desired | None) -> base.Order:
    return base.Order(base.Assignment(device.project, device.name, UUID(int=0)), desired)


class TestRecording:
    """What a target observes, without a broker."""

    async def test_an_observed_outcome_moves_the_deployment_on(self, lab: labs.Lab, runtime: app.Runtime) -> None:
        target = recording.RecordingTarget()
        ticking = labs.Ticking(runtime.sessions, target)
        async with lab.fleet(2):
            await lab.approve(1, [1.0])
            await labs.turn(ticking)
            for published in target.published:
                target.outcomes.append(base.Outcome(published.assignment, states.InstallState.INSTALLED))
            await labs.turn(ticking)
            await labs.turn(ticking)

            assert await lab.history() == [(1, "rollout", "succeeded")]

    async def test_an_outcome_of_another_deployment_is_ignored(self, lab: labs.Lab, runtime: app.Runtime) -> None:
        target = recording.RecordingTarget()
        ticking = labs.Ticking(runtime.sessions, target)
        async with lab.fleet(1):
            await lab.approve(1, [1.0])
            await labs.turn(ticking)
            (old,) = target.published
            await lab.approve(2, [1.0])
            outcome = base.Outcome(old.assignment, states.InstallState.FAILED, "disk full")
            async with runtime.sessions.begin() as session:
                await answers.record_outcome(session, outcome)

            assert (await lab.rows())["cam-0"].state == "waiting"

    async def test_a_new_generation_has_everything_published_again(self, lab: labs.Lab, runtime: app.Runtime) -> None:
        target = recording.RecordingTarget()
        ticking = labs.Ticking(runtime.sessions, target)
        async with lab.fleet(2):
            await lab.approve(1, [1.0])
            await labs.turn(ticking)
            await labs.turn(ticking)
            assert len(target.published) == 2
            target.generation = "2"
            await labs.turn(ticking)

            assert set(map(repr, target.published[2:])) == set(map(repr, target.published[:2]))


def test_an_unknown_target_is_refused_with_the_names_of_the_known(runtime: app.Runtime) -> None:
    with pytest.raises(ValueError, match="expected one of mqtt, recording, got 'pigeons'"):
        targets.build("pigeons", runtime)
