"""The MQTT side at work: nothing is acknowledged before it is stored, and nothing holds up the rest."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest
import structlog
from prometheus_client import REGISTRY
from sqlalchemy import func, select, text

from ingest import announcements, enrolment, rules
from strop import app, mqtt, sqs, storage
from strop.settings import Settings
from strop_contracts import events, tables
from strop_wire import messages, topics
from tests import brokers, device, factories, roles, wait
from tests.integration.ingest.conftest import running

pytestmark = brokers.each


@asynccontextmanager
async def database_away(settings: Settings) -> AsyncIterator[None]:
    """The database refuses every connection, old and new."""
    base, _, name = settings.database_url.rpartition("/")
    admin = await asyncpg.connect(f"{base}/postgres")
    await admin.execute(f'alter database "{name}" with allow_connections false')
    await admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)
    try:
        yield
    finally:
        await admin.execute(f'alter database "{name}" with allow_connections true')
        await admin.close()


@asynccontextmanager
async def broker_session(settings: Settings) -> AsyncIterator[mqtt.Mqtt]:
    """What the broker holds for ingest while ingest is away."""
    client_id, filters = announcements.client_id(settings), announcements.filters(settings)
    async with mqtt.connect(settings.mqtt_url, client_id, filters) as link:
        async with asyncio.timeout(wait.PATIENCE):
            await link.connected.wait()
        yield link


async def captures(runtime: app.Runtime) -> int:
    async with roles.arranging(runtime)() as session:
        return await session.scalar(select(func.count()).select_from(tables.Capture)) or 0


async def test_what_is_stored_is_acknowledged(runtime: app.Runtime, phone: device.Device) -> None:
    async with running(runtime):
        await phone.say(factories.announcement(b"first"))
        await wait.until(lambda: captures(runtime))

    async with broker_session(runtime.settings) as left:
        marker = factories.announcement(b"marker")
        await phone.say(marker)
        async with asyncio.timeout(wait.PATIENCE):
            (next_one,) = await left.batch(limit=1)

    assert messages.Capture.loads(next_one.payload) == marker
    await device.forget(runtime.settings.mqtt_url, announcements.client_id(runtime.settings))


async def test_what_could_not_be_stored_comes_again(runtime: app.Runtime, phone: device.Device) -> None:
    with structlog.testing.capture_logs() as logs:
        async with database_away(runtime.settings), running(runtime):
            await phone.say(factories.announcement(b"bytes"))
            await wait.until(lambda: tried(logs))
    assert not await captures(runtime)

    async with running(runtime):
        await wait.until(lambda: captures(runtime))
    await device.forget(runtime.settings.mqtt_url, announcements.client_id(runtime.settings))


async def tried(logs: list[MutableMapping[str, Any]]) -> bool:
    return any(entry["event"] == "batch not stored, trying again" for entry in logs)


@pytest.mark.usefixtures("ingest")
async def test_a_batch_is_stored_once_the_database_is_back(runtime: app.Runtime, phone: device.Device) -> None:
    async with database_away(runtime.settings):
        for number in range(5):
            await phone.say(factories.announcement(f"{number}".encode()))

    async def all_there() -> bool:
        return await captures(runtime) == 5

    await wait.until(all_there)


@pytest.mark.usefixtures("ingest")
async def test_a_message_that_the_database_refuses_does_not_hold_up_the_others(
    runtime: app.Runtime, phone: device.Device
) -> None:
    async with roles.arranging(runtime).begin() as session:
        await session.execute(
            text(
                "create function refuse() returns trigger language plpgsql as "
                "$$ begin raise exception 'I do not like it' using errcode = '22000'; end $$"
            )
        )
        await session.execute(
            text(
                "create trigger refuse before insert on captures for each row when (new.model = 'poison') "
                "execute function refuse()"
            )
        )

    said = [factories.announcement(f"{n}".encode(), model="poison" if n == 3 else "v1") for n in range(8)]
    await asyncio.gather(*(phone.say(each) for each in said))

    body, reason = await wait.for_letter(runtime, "ingest")
    assert said[3].id in body
    assert "cannot be stored" in reason
    assert "I do not like it" in reason
    assert len(await wait.for_events(runtime, "router", 7)) == await captures(runtime) == 7


@pytest.mark.usefixtures("ingest")
async def test_a_repeated_announcement_is_told_its_grant_again(runtime: app.Runtime, phone: device.Device) -> None:
    said = factories.announcement(b"bytes")
    await phone.say(said)
    await wait.for_events(runtime, "router")
    async with roles.arranging(runtime).begin() as session:
        session.add(tables.Upload(capture_id=said.id, state="granted", key="bottles/raw_field_data/line-1/1.jpg"))

    await phone.say(said)

    assert (await phone.hear_of(said.id)).action == "upload"


@pytest.mark.usefixtures("ingest")
async def test_a_device_gets_the_files_it_asks_for(runtime: app.Runtime, phone: device.Device) -> None:
    body = b"a model"
    sha256 = storage.digest(body)
    await runtime.storage.put("bottles/models/v1/head.onnx", body)
    async with roles.arranging(runtime).begin() as session:
        key = "bottles/models/v1/head.onnx"
        session.add(tables.ModelFile(project=factories.PROJECT, sha256=sha256, key=key, size=len(body)))

    await phone.say(messages.Fetch((sha256,)))

    (file,) = (await phone.hear()).files
    assert (file.sha256, file.size) == (sha256, len(body))
    async with httpx.AsyncClient() as client:
        assert (await client.get(file.url)).content == body


@pytest.mark.usefixtures("ingest")
async def test_an_unknown_device_is_refused_visibly(runtime: app.Runtime) -> None:
    async with device.connect(runtime.settings.mqtt_url, name="stranger") as stranger:
        before = strangers()
        for content in (b"bytes", b"more", b"and more"):
            await stranger.say(factories.announcement(content))

        async def all_refused() -> bool:
            return strangers() == before + 3

        await wait.until(all_refused)
        _, reason = await wait.for_letter(runtime, "ingest")
        assert reason == "device stranger of project bottles is not enrolled: `strop devices add bottles stranger`"
        assert await runtime.queues.depth("ingest-dlq") == 0  # one letter an hour says enough


@pytest.mark.usefixtures("ingest")
async def test_a_refused_message_is_taken_when_it_is_retried_after_its_device_was_enrolled(
    runtime: app.Runtime,
) -> None:
    said = factories.announcement(b"bytes")
    async with device.connect(runtime.settings.mqtt_url, name="line-2") as late:
        await late.say(said)
        letter, _ = await wait.for_letter(runtime, "ingest")
        async with runtime.sessions.begin() as session:
            await enrolment.add_device(session, factories.PROJECT, "line-2")

        await runtime.queues.send("ingest", [sqs.Outgoing(letter)])

        (event,) = await wait.for_events(runtime, "router")
        assert isinstance(event, events.CaptureReceived)
        assert (str(event.capture_id), event.device) == (said.id, "line-2")
        assert await captures(runtime) == 1


@pytest.mark.usefixtures("ingest")
async def test_a_retried_message_that_is_still_refused_is_a_dead_letter_again(runtime: app.Runtime) -> None:
    async with device.connect(runtime.settings.mqtt_url, name="stranger") as stranger:
        await stranger.say(factories.announcement(b"bytes"))
    letter = await wait.for_letter(runtime, "ingest")

    await runtime.queues.send("ingest", [sqs.Outgoing(letter[0])])

    assert await wait.for_letter(runtime, "ingest") == letter
    assert await captures(runtime) == 0


@pytest.mark.usefixtures("ingest")
async def test_a_retried_message_that_the_database_refuses_is_a_dead_letter_again(
    runtime: app.Runtime, phone: device.Device
) -> None:
    async with roles.arranging(runtime).begin() as session:
        await session.execute(text("alter table captures add check (model <> 'poison')"))
    said = factories.announcement(b"bytes", model="poison")
    letter = rules.letter(topics.topic(phone.project, phone.name, "capture"), said.dumps())

    await runtime.queues.send("ingest", [sqs.Outgoing(letter)])

    body, reason = await wait.for_letter(runtime, "ingest")
    assert body == letter
    assert reason.startswith("cannot be stored: ")


async def test_two_ingests_split_the_work(runtime: app.Runtime, phone: device.Device) -> None:
    """Where the broker can share a subscription; elsewhere ingest is one plain subscriber."""
    settings = runtime.settings.model_copy(update={"mqtt_client_id": f"{runtime.settings.mqtt_client_id}-2"})
    second = app.Runtime(settings, runtime.sessions, runtime.queues, runtime.storage)
    before = received()

    async with running(runtime), running(second):
        await asyncio.gather(*(phone.say(factories.announcement(f"{n}".encode())) for n in range(60)))
        await wait.for_events(runtime, "router", 60)

    assert await captures(runtime) == 60
    assert received() - before == (60 if settings.mqtt_shared else 120)
    for each in (runtime.settings, settings):
        await device.forget(settings.mqtt_url, announcements.client_id(each))


def strangers() -> float:
    return REGISTRY.get_sample_value("strop_mqtt_refused_total", {"reason": "unknown"}) or 0.0


def received() -> float:
    return REGISTRY.get_sample_value("strop_mqtt_received_total", {"kind": "capture"}) or 0.0
