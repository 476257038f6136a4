import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer import mqtt_target, ticks
from strop import app, mqtt
from tests import brokers
from tests.integration.deployer import lab as labs
from tests.integration.deployer.lab import finish


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[brokers.Broker]:
    """The embedded one, which keeps what it retains in memory only."""
    made = brokers.Broker(tmp_path, brokers.EMBEDDED)
    made.start()
    yield made
    made.kill()


async def test_a_broker_that_lost_what_it_retained_is_told_again(
    lab: labs.Lab, runtime: app.Runtime, forgetful: brokers.Broker
) -> None:
    lab.url = forgetful.url
    async with mqtt.connect(forgetful.url, labs.unique_client_id()) as client:
        await client.connected.wait()
        ticking = ticks.Ticks(runtime.sessions, mqtt_target.MqttTarget(client), labs.QUICK)
        async with lab.fleet(2) as fleet:
            await lab.approve(1)
            await finish(lab, ticking, fleet)

        session = client.session
        await asyncio.to_thread(forgetful.kill)
        await asyncio.to_thread(forgetful.start)
        while client.session == session or not client.connected.is_set():
            await asyncio.sleep(0.02)
        await ticking.send()

        for device in fleet:
            async with device.online(lab.url):  # after the sending: what it hears now was retained
                assert (await device.hears()).model == "v1"


async def test_while_the_broker_is_away_nothing_is_sent(
    lab: labs.Lab, runtime: app.Runtime, forgetful: brokers.Broker
) -> None:
    async with mqtt.connect(forgetful.url, labs.unique_client_id()) as client:
        await client.connected.wait()
        target = mqtt_target.MqttTarget(client)
        await asyncio.to_thread(forgetful.kill)
        while target.epoch is not None:
            await asyncio.sleep(0.02)
        async with lab.fleet(1):
            await lab.approve(1)
            await ticks.Ticks(runtime.sessions, target, labs.QUICK).send()

            assert (await lab.rows())["cam-0"].state == "waiting"
        await asyncio.to_thread(forgetful.start)


async def test_an_empty_desired_clears_what_the_embedded_broker_retains(forgetful: brokers.Broker) -> None:
    device, other = labs.PahoDevice("p", "one"), labs.PahoDevice("p", "two")
    async with mqtt.connect(forgetful.url, labs.unique_client_id()) as client:
        await client.connected.wait()
        target = mqtt_target.MqttTarget(client)
        for each in (device, other):
            await target.send("p", each.name, labs.DESIRED)
        await target.send("p", device.name, None)
        async with device.online(forgetful.url), other.online(forgetful.url):
            assert await other.hears() == labs.DESIRED
            await target.send("p", device.name, labs.DESIRED)

            assert await device.hears() == labs.DESIRED
            assert device.heard() == []
