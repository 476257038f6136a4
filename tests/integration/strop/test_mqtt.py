"""MQTT with acknowledgement after the commit."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from strop import mqtt, packets
from strop_wire import ids
from tests import brokers, device, wait


@pytest.fixture(scope="module", params=brokers.NAMES)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of each broker there is."""
    broker = brokers.Broker(tmp_path_factory.mktemp("broker"), request.param)
    broker.start()
    yield broker.url
    broker.kill()


@pytest.fixture
async def name(url: str) -> AsyncIterator[str]:
    """A client id, which is also its topic; the broker forgets it afterwards."""
    name = f"test-{ids.new_id()}"
    yield name
    await device.forget(url, name)


@pytest.fixture
async def speaker(url: str) -> AsyncIterator[mqtt.Mqtt]:
    async with mqtt.connect(url, f"speaker-{ids.new_id()}") as link:
        await connected(link)
        yield link


async def connected(link: mqtt.Mqtt) -> None:
    await wait.within(link.connected.wait(), wait.PATIENCE)


async def hear(link: mqtt.Mqtt, count: int) -> list[mqtt.Message]:
    heard: list[mqtt.Message] = []
    async with asyncio.timeout(wait.PATIENCE):
        while len(heard) < count:
            heard += await link.batch()
    return heard


async def say(speaker: mqtt.Mqtt, topic: str, *payloads: bytes) -> None:
    for payload in payloads:
        await speaker.publish(topic, payload)


def payloads(messages: list[mqtt.Message]) -> list[bytes]:
    return [message.payload for message in messages]


def best_effort(topic: str, payload: bytes) -> bytes:
    """A PUBLISH at QoS 0."""
    return packets._packet(packets.PUBLISH, packets._text(topic) + payload)


@pytest.mark.parametrize("url", [brokers.MOSQUITTO], indirect=True)  # the embedded broker delivers all at QoS 1
async def test_a_flood_at_qos_0_is_bounded_and_qos_1_arrives(url: str, name: str, speaker: mqtt.Mqtt) -> None:
    """Nobody reads meanwhile."""
    async with mqtt.connect(url, name, [name]) as link:
        await connected(link)
        flood, payload = mqtt.MAX_BEST_EFFORT * 3, bytes(10_000)
        before = REGISTRY.get_sample_value("strop_mqtt_dropped_total") or 0
        for _ in range(flood):
            speaker._write(best_effort(name, payload))
        await say(speaker, name, b"at QoS 1")

        async def arrived() -> bool:
            return any(each.qos for each in link._inbox.waiting)

        await wait.until(arrived)
        assert len(link._inbox.waiting) == mqtt.MAX_BEST_EFFORT + 1
        assert REGISTRY.get_sample_value("strop_mqtt_dropped_total") == before + flood - mqtt.MAX_BEST_EFFORT
        heard = await hear(link, mqtt.MAX_BEST_EFFORT + 1)
        assert payloads(heard)[-1] == b"at QoS 1"
        for _ in range(3):
            speaker._write(best_effort(name, b"later"))
        assert payloads(await hear(link, 3)) == [b"later"] * 3


async def test_what_is_not_acknowledged_comes_again(url: str, name: str, speaker: mqtt.Mqtt) -> None:
    async with mqtt.connect(url, name, [name]) as link:
        await connected(link)
        await say(speaker, name, b"1", b"2", b"3")
        first, *_ = await hear(link, 3)
        link.acknowledge([first])

    async with mqtt.connect(url, name, [name]) as link:
        again = await hear(link, 2)
        link.acknowledge(again)
        assert payloads(again) == [b"2", b"3"]

    async with mqtt.connect(url, name, [name]) as link:
        await connected(link)
        await say(speaker, name, b"4")
        assert payloads(await hear(link, 1)) == [b"4"]


async def test_two_services_with_one_client_id_are_reported(url: str, name: str) -> None:
    with capture_logs() as logs:
        async with mqtt.connect(url, name), mqtt.connect(url, name):
            async with asyncio.timeout(wait.PATIENCE):
                while not any(f"connected with the client id {name}" in line["event"] for line in logs):
                    await asyncio.sleep(0.05)


async def test_a_broken_connection_is_made_again_and_brings_what_was_in_hand(
    url: str, name: str, speaker: mqtt.Mqtt
) -> None:
    async with mqtt.connect(url, name, [name]) as link:
        await connected(link)
        await say(speaker, name, b"1", b"2")
        in_hand = await hear(link, 2)
        assert link._connection
        link._connection._transport.abort()

        again = await hear(link, 2)

        assert payloads(again) == [b"1", b"2"]
        assert {message.session for message in again} == {link.session} != {in_hand[0].session}
        link.acknowledge(in_hand)  # of the old connection: must not acknowledge anything of the new one
        assert not link._inbox._done

    async with mqtt.connect(url, name, [name]) as link:
        assert payloads(await hear(link, 2)) == [b"1", b"2"]


async def test_a_publish_without_an_answer_is_sent_again_on_the_next_connection(
    url: str, name: str, speaker: mqtt.Mqtt
) -> None:
    async with mqtt.connect(url, name, [name]) as link:
        await connected(link)
        assert speaker._connection
        speaker._connection._transport.abort()  # what is written from here on is lost
        await speaker.publish(name, b"again", timeout=wait.PATIENCE)

        assert payloads(await hear(link, 1)) == [b"again"]


async def test_a_full_window_is_in_hand_again_after_each_acknowledgement(
    url: str, name: str, speaker: mqtt.Mqtt
) -> None:
    """The embedded broker sends 100 messages ahead, and fewer when all acknowledgements come in one write."""
    async with mqtt.connect(url, name, [name]) as link:
        await connected(link)
        said = [asyncio.create_task(speaker.publish(name, b"x", timeout=wait.PATIENCE)) for _ in range(300)]
        async with asyncio.timeout(wait.PATIENCE):
            for _ in range(3):
                while len(link._inbox.waiting) < 99:
                    await asyncio.sleep(0.01)
                link.acknowledge(await link.batch(limit=50))
        await asyncio.gather(*said)


async def test_messages_during_a_disconnection_wait_at_the_broker(url: str, name: str, speaker: mqtt.Mqtt) -> None:
    async with mqtt.connect(url, name, [name]) as link:
        await connected(link)
        await say(speaker, name, b"subscribed")
        link.acknowledge(await hear(link, 1))
    await say(speaker, name, b"while away")

    async with mqtt.connect(url, name, [name]) as link:
        assert payloads(await hear(link, 1)) == [b"while away"]


async def test_a_batch_has_a_limit_and_keeps_the_order(url: str, name: str, speaker: mqtt.Mqtt) -> None:
    async with mqtt.connect(url, name, [name]) as link:
        await connected(link)
        sent = [str(number).encode() for number in range(50)]
        await asyncio.gather(*(speaker.publish(name, payload) for payload in sent))

        heard: list[mqtt.Message] = []
        async with asyncio.timeout(wait.PATIENCE):
            while len(heard) < 50:
                batch = await link.batch(limit=7)
                assert 1 <= len(batch) <= 7
                heard += batch

    assert payloads(heard) == sent


async def test_acknowledgements_wait_for_those_of_earlier_messages(url: str, name: str, speaker: mqtt.Mqtt) -> None:
    """The embedded broker ends a connection that acknowledges in another order."""
    async with mqtt.connect(url, name, [name]) as link:
        await connected(link)
        await say(speaker, name, b"1", b"2", b"3")
        first, second, third = await hear(link, 3)
        link.acknowledge([second])
        link.acknowledge([first])
        await say(speaker, name, b"4")
        link.acknowledge(await hear(link, 1))  # not sent: the third is in hand
        assert link.session == third.session == 1

    async with mqtt.connect(url, name, [name]) as link:
        assert payloads(await hear(link, 2)) == [b"3", b"4"]


async def test_a_burst_is_not_kept_waiting_when_the_broker_waits_for_acknowledgements(
    url: str, name: str, speaker: mqtt.Mqtt
) -> None:
    async with mqtt.connect(url, name, [name]) as link:
        await connected(link)
        said = [asyncio.create_task(speaker.publish(name, b"x", timeout=wait.PATIENCE)) for _ in range(300)]
        heard = 0
        async with asyncio.timeout(wait.PATIENCE):
            while heard < 300 - mqtt.BURST:
                batch = await link.batch(linger=wait.PATIENCE)
                link.acknowledge(batch)
                heard += len(batch)
        await asyncio.gather(*said)


async def test_two_readers_share_what_has_come(url: str, name: str, speaker: mqtt.Mqtt) -> None:
    async with mqtt.connect(url, name, [name]) as link:
        await connected(link)
        await asyncio.gather(*(speaker.publish(name, b"x") for _ in range(100)))
        async with asyncio.timeout(wait.PATIENCE):
            while len(link._inbox.waiting) < 100:
                await asyncio.sleep(0.01)
            batches = [await link.batch(readers=2) for _ in range(2)]

    assert [len(batch) for batch in batches] == [50, 50]


async def test_a_retained_message_greets_who_comes_later(url: str, name: str, speaker: mqtt.Mqtt) -> None:
    await speaker.publish(name, b"kept", retain=True)

    async with mqtt.connect(url, name, [name]) as link:
        assert payloads(await hear(link, 1)) == [b"kept"]
    await speaker.publish(name, b"", retain=True)


async def test_publishing_needs_a_broker() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with mqtt.connect(f"mqtt://127.0.0.1:{unused.getsockname()[1]}", "lonely") as link:
            with pytest.raises(mqtt.NotConnected):
                await link.publish("topic", b"")
