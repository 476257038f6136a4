"""Whatever a device sends: a clear reason, a count in the metrics, and everybody else is served as if nothing had been."""

import json
import struct
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

import psutil
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import func, select

from ingest import announcements, refusal_limits
from strop import app, sqs, storage
from strop_contracts import events, keys, tables, topology
from strop_image import child
from strop_wire import MAX_PAYLOAD, messages, topics
from tests import bombs, brokers, device, factories, roles, wait

CAPTURE = topics.topic(factories.PROJECT, factories.DEVICE, "capture")


def changed(**fields: object) -> bytes:
    return json.dumps({**json.loads(factories.announcement(b"bytes").dumps()), **fields}).encode()


BAD = {
    # what is wrong: topic, payload, how it is counted, the reason
    "no JSON": (CAPTURE, b'{"id": ', "malformed", "not JSON"),
    "no text": (CAPTURE, b"\xff\xd8\xff\xe0", "malformed", "not JSON"),
    "oversize": (CAPTURE, b" " * (MAX_PAYLOAD + 1), "malformed", f"payload of {MAX_PAYLOAD + 1} bytes is over the limit"),
    "a label with a control character": (
        CAPTURE, changed(predictions=[{"label": "a\x1bb", "confidence": 0.5}]), "malformed", "holds U+001B",
    ),
    "a clock that cannot be": (CAPTURE, changed(captured_at="0001-01-01T00:00:00+14:00"), "malformed", "captured_at"),
    "an image without an end": (CAPTURE, changed(size=2**60), "malformed", "size: expected a whole number"),
    "the cloud's own topic": (
        topics.topic(factories.PROJECT, factories.DEVICE, "state"), b'{"boot": 1}', "malformed", "boot: expected a UUID",
    ),
    "an unknown project": (
        topics.topic("nowhere", factories.DEVICE, "capture"), changed(), "unknown", "of project nowhere is not enrolled",
    ),
    "an unknown device": (
        topics.topic(factories.PROJECT, "stranger", "capture"), changed(), "unknown", "device stranger of project",
    ),
    "an unknown file": (
        topics.topic(factories.PROJECT, factories.DEVICE, "fetch"),
        messages.Fetch(("0" * 64,)).dumps(), "missing", "no file of a model has the hash 000",
    ),
}  # fmt: skip

ODD: tuple[dict[str, Any], ...] = (
    {"captured_at": datetime(1970, 1, 1, tzinfo=UTC)},  # a device without a battery for its clock
    {"captured_at": datetime(2099, 12, 31, tzinfo=UTC)},
    {"predictions": (messages.Prediction("d\u00e9j\u00e0 \"vu\" 'n' \u8336 \U0001f943", 0.5),)},
    {"model": "'; drop table captures; --"},
)
"""Strange, and still a device's right: what it claims is kept as a claim."""


def refused(kind: str) -> float:
    return REGISTRY.get_sample_value("strop_mqtt_refused_total", {"reason": kind}) or 0.0


@brokers.each
@pytest.mark.usefixtures("ingest")
async def test_a_bad_message_has_its_reason_and_holds_up_nobody(runtime: app.Runtime) -> None:
    kinds = {kind for _, _, kind, _ in BAD.values()} | {"conflict"}
    before = {kind: refused(kind) for kind in kinds}
    good = [factories.announcement(f"{n}".encode(), **odd) for n, odd in enumerate(ODD)]
    conflict = factories.announcement(b"other bytes", id=good[0].id, captured_at=good[0].captured_at)
    async with device.connect(runtime.settings.mqtt_url) as phone:
        await phone.say(good[0])
        for topic, payload, _, _ in BAD.values():
            await phone.say_raw(topic, payload)
        for each in (conflict, *good[1:]):
            await phone.say(each)

        seen = dict([await wait.for_letter(runtime, "ingest") for _ in range(len(BAD) + 1)])

    for name, (_, _, _, expected) in BAD.items():
        assert any(expected in reason for reason in seen.values()), name
    assert any("is known with another sha256" in reason for reason in seen.values())
    counted = {kind: refused(kind) - before[kind] for kind in kinds}
    assert counted == {"malformed": 7, "unknown": 2, "missing": 1, "conflict": 1}
    async with roles.arranging(runtime)() as session:
        rows = {str(row.id): row for row in await session.scalars(select(tables.Capture))}
    assert set(rows) == {each.id for each in good}
    for each in good:
        row = rows[each.id]
        assert (row.captured_at, row.label, row.model, row.sha256) == (
            each.captured_at, each.label, each.model, each.sha256,
        )  # fmt: skip
        assert abs((row.at - datetime.now(UTC)).total_seconds()) < 3600, "the time of receipt is the server's"
    assert len(await wait.for_events(runtime, "router", len(good))) == len(good)


# --- images ---


def giant(side: int = 20_000) -> bytes:
    """A true PNG of side x side black pixels in a few kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    squeezer, row = zlib.compressobj(1), bytes(1 + side // 8)
    pixels = b"".join([*(squeezer.compress(row) for _ in range(side)), squeezer.flush()])
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


PHOTO = factories.picture(1)
WHOLE = factories.picture(2)

USELESS = {
    "truncated": (WHOLE[: len(WHOLE) // 2], "image/jpeg", "cannot be decoded"),
    "no image": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/jpeg", "neither JPEG, PNG nor WebP"),
    "very many scans": (bombs.scans(201, (64, 48)), "image/jpeg", "more than 32 scans"),
    "a large WebP": (bombs.webp(7_000, 7_000), "image/webp", "over the limit of 25000000 pixels"),
    "20,000 x 20,000": (giant(), "image/png", "over the limit of 50000000 pixels"),
}


@pytest.fixture
async def wants(runtime: app.Runtime, ingest: app.Service, phone: device.Device) -> "Wants":
    return Wants(runtime, phone)


class Wants:
    """Announces an image and has the router want it."""

    def __init__(self, runtime: app.Runtime, phone: device.Device) -> None:
        self._runtime, self._phone = runtime, phone

    async def grant(self, body: bytes, content_type: str = "image/jpeg") -> messages.CaptureGrant:
        said = factories.announcement(body, content_type=content_type)
        await self._phone.say(said)
        (received,) = await wait.for_events(self._runtime, "router")
        assert isinstance(received, events.CaptureReceived)
        wanted = events.ImageRequested(**received.model_dump(include={"project", "capture_id", "device"}))
        await self._runtime.queues.send("ingest", [sqs.Outgoing(wanted.dumps())])
        return await self._phone.hear_of(said.id)

    async def upload(self, body: bytes, content_type: str = "image/jpeg") -> messages.CaptureGrant:
        """Announce and upload; returns the final answer."""
        granted = await self.grant(body, content_type)
        await self._phone.put(granted, body)
        return await self._phone.hear_of(granted.capture)


def unusable(reason: str) -> float:
    return REGISTRY.get_sample_value("strop_images_refused_total", {"reason": reason}) or 0.0


@pytest.mark.parametrize("what", USELESS)
async def test_an_image_of_no_use_is_dropped_with_its_reason(runtime: app.Runtime, wants: Wants, what: str) -> None:
    body, content_type, reason = USELESS[what]
    before = unusable("undecodable")

    answer = await wants.upload(body, content_type)
    after = await wants.upload(PHOTO)

    assert answer.action == "drop"
    assert reason in (answer.reason or "")
    assert reason in (await wait.for_letter(runtime, "ingest"))[1]
    assert unusable("undecodable") == before + 1
    assert after.action == "stored"


@contextmanager
def suspended_decoders() -> Iterator[None]:
    """The decoders of this process, which the test has used before, stand still."""
    decoders = [each for each in psutil.Process().children() if child.__name__ in each.cmdline()]
    assert decoders
    for each in decoders:
        each.suspend()
    try:
        yield
    finally:
        for each in decoders:
            each.resume()


async def test_a_grant_does_not_wait_for_an_image_that_is_being_decoded(
    runtime: app.Runtime, wants: Wants, phone: device.Device
) -> None:
    await wants.upload(PHOTO)

    async def in_hand() -> bool:
        return await runtime.queues._attributes(topology.IMAGES, "ApproximateNumberOfMessagesNotVisible") != {
            "ApproximateNumberOfMessagesNotVisible": "0"
        }

    with suspended_decoders():
        granted = await wants.grant(WHOLE)
        await phone.put(granted, WHOLE)
        await wait.until(in_hand)

        other = await wants.grant(factories.picture(3))

    assert other.action == "upload"
    assert (await phone.hear_of(granted.capture)).action == "stored"


async def test_other_bytes_than_were_announced_are_asked_for_again(
    runtime: app.Runtime, wants: Wants, phone: device.Device
) -> None:
    before = unusable("mismatch")
    granted = await wants.grant(PHOTO)
    async with roles.arranging(runtime)() as session:
        upload = await session.get_one(tables.Upload, granted.capture)
    assert upload.key

    await runtime.storage.put(
        upload.key, PHOTO[:-1] + b"?"
    )  # S3 itself refuses this from the device: the hash is signed
    again = await phone.hear_of(granted.capture)
    await phone.put(again, PHOTO)

    assert (again.action, unusable("mismatch")) == ("upload", before + 1)
    assert (await phone.hear_of(granted.capture)).action == "stored"


@pytest.mark.parametrize("tail", [b"PK\x03\x04" + bytes(100), b"<html><script>alert(1)</script></html>"])
async def test_a_file_that_is_something_else_too_is_the_image_it_begins_with(
    runtime: app.Runtime, wants: Wants, tail: bytes
) -> None:
    body = PHOTO + tail

    answer = await wants.upload(body)

    assert answer.action == "stored"
    assert await runtime.storage.get(keys.image(factories.PROJECT, storage.digest(body))) == body


async def test_what_s3_says_to_test_the_connection_is_taken_quietly(runtime: app.Runtime, ingest: app.Service) -> None:
    greeting = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": runtime.settings.bucket}
    await runtime.queues.send(topology.IMAGES, [sqs.Outgoing(json.dumps(greeting))])

    async def taken() -> bool:
        return await runtime.queues.depth(topology.IMAGES) == 0

    await wait.until(taken)
    assert await runtime.queues.depth("ingest-dlq") == 0


@pytest.fixture(autouse=True)
async def _forget(runtime: app.Runtime) -> AsyncIterator[None]:
    """Leave no session at the broker that all tests share."""
    async with AsyncExitStack() as stack:
        client_id = announcements.client_id(runtime.settings)
        stack.push_async_callback(device.forget, runtime.settings.mqtt_url, client_id)
        yield


async def test_a_flood_of_malformed_messages_makes_few_dead_letters_and_loses_no_capture(
    ingest: app.Service, phone: device.Device, runtime: app.Runtime
) -> None:
    before = REGISTRY.get_sample_value("strop_mqtt_refused_total", {"reason": "malformed"}) or 0
    flood, topic = 3 * refusal_limits.PER_SENDER, topics.topic(phone.project, phone.name, "capture")
    for number in range(flood):
        await phone.say_raw(topic, f"malformed {number}".encode())
    await phone.say(factories.announcement(factories.picture(3)))

    async def stored() -> int:
        async with runtime.sessions() as session:
            return await session.scalar(select(func.count()).select_from(tables.Capture)) or 0

    async def counted() -> bool:
        return REGISTRY.get_sample_value("strop_mqtt_refused_total", {"reason": "malformed"}) == before + flood

    assert await wait.until(stored) == 1
    assert await wait.until(counted)

    async def sent() -> bool:
        async with runtime.sessions() as session:
            count = select(func.count()).select_from(tables.Outbox).where(tables.Outbox.reason.is_not(None))
            return not await session.scalar(count)

    assert await wait.until(sent)
    letters = await runtime.queues.depth(topology.dead_letter("ingest"))
    assert (
        0 < letters <= announcements.AT_ONCE * refusal_limits.PER_SENDER
    )  # batches in hand at once do not see each other
    assert letters < flood
