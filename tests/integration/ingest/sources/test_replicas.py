"""Several replicas of ingest: each has a session of its own, and the session of one that is gone is consumed and ended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import pytest
import structlog
from sqlalchemy import func, select, text

from ingest import grant_publisher, receiver
from ingest.sources import mqtt as mqtt_source
from ingest.sources import replicas
from strop import app, db, mqtt
from strop_contracts import tables
from tests import device, factories, roles, wait
from tests.integration.ingest import conftest


class Replica:
    """One replica whose work is replaced: it only records under which client ids it receives."""

    def __init__(self, runtime: app.Runtime) -> None:
        settings = runtime.settings
        connect = partial(mqtt.connect, settings.mqtt_url, filters=mqtt_source.filters(settings))
        grants = grant_publisher.GrantPublisher(runtime.storage, mqtt.Mqtt(settings.mqtt_url, "unused"))
        received = receiver.Receiver(runtime.sessions, grants)
        self.replicas = replicas.Replicas(runtime.sessions, mqtt_source.client_id(settings), connect, received)
        self.client_ids: asyncio.Queue[str] = asyncio.Queue()

    async def receive(self, client_id: str, stop: asyncio.Event) -> None:
        self.client_ids.put_nowait(client_id)
        await stop.wait()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Run until the end of the block; yields its client id."""
        stop = asyncio.Event()
        async with asyncio.timeout(wait.PATIENCE), asyncio.TaskGroup() as group:
            group.create_task(self.replicas.run(self.receive, stop))
            yield await self.client_ids.get()
            stop.set()


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicas, "GRACE", 0.0)


@pytest.fixture
def client_ids(runtime: app.Runtime) -> list[str]:
    base = mqtt_source.client_id(runtime.settings)
    return [base, f"{base}-1", f"{base}-2"]


async def captures(runtime: app.Runtime) -> int:
    async with roles.arranging(runtime)() as session:
        return await session.scalar(select(func.count()).select_from(tables.Capture)) or 0


async def cut_connections(runtime: app.Runtime) -> None:
    """As a restart of the database does."""
    async with roles.arranging(runtime)() as session:
        await session.execute(
            text(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
        )


async def session_exists(runtime: app.Runtime, client_id: str) -> bool:
    settings = runtime.settings
    async with mqtt.connect(settings.mqtt_url, client_id, mqtt_source.filters(settings)) as connection:
        await wait.within(connection.connected.wait(), wait.PATIENCE)
        resumed = connection.resumed
    await device.forget(settings.mqtt_url, client_id)
    return resumed


async def test_each_replica_takes_the_lowest_free_number(runtime: app.Runtime, client_ids: list[str]) -> None:
    async with Replica(runtime).running() as second:
        async with Replica(runtime).running() as first:
            assert [second, first] == client_ids[:2]
        async with Replica(runtime).running() as third:
            assert third == client_ids[1]


async def test_a_replica_without_a_number_waits_and_stops(
    runtime: app.Runtime, monkeypatch: pytest.MonkeyPatch, stop: asyncio.Event
) -> None:
    monkeypatch.setattr(replicas, "LIMIT", 1)
    waiting = Replica(runtime)
    async with Replica(runtime).running():
        running = asyncio.create_task(waiting.replicas.run(waiting.receive, stop))
        await waiting.replicas.scan()
        stop.set()
        await running

    assert waiting.client_ids.empty()


async def test_a_replica_that_lost_its_lock_stops_and_takes_a_number_anew(
    runtime: app.Runtime, client_ids: list[str]
) -> None:
    replica = Replica(runtime)
    async with replica.running() as first:
        await cut_connections(runtime)
        second = await replica.client_ids.get()

    assert [first, second] == [client_ids[0]] * 2


@pytest.mark.usefixtures("enrolled", "no_grace")
async def test_messages_of_a_replica_that_is_gone_are_stored_and_its_session_ends(
    runtime: app.Runtime, client_ids: list[str], phone: device.Device
) -> None:
    settings, gone = runtime.settings, client_ids[2]
    async with mqtt.connect(settings.mqtt_url, gone, mqtt_source.filters(settings)) as connection:
        await wait.within(connection.connected.wait(), wait.PATIENCE)
    for number in range(20):
        await phone.say(factories.announcement(f"{number}".encode()))

    await Replica(runtime).replicas.scan()

    assert await captures(runtime) == 20
    assert not await session_exists(runtime, gone)


@pytest.mark.usefixtures("enrolled", "no_grace")
async def test_a_session_that_lived_between_two_scans_is_drained_by_a_later_scan(
    runtime: app.Runtime, client_ids: list[str], phone: device.Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "RECHECK", 0.0)
    settings, replica = runtime.settings, Replica(runtime).replicas
    await replica.scan()
    async with mqtt.connect(settings.mqtt_url, client_ids[2], mqtt_source.filters(settings)) as connection:
        await wait.within(connection.connected.wait(), wait.PATIENCE)
    await phone.say(factories.announcement(b"late"))

    await replica.scan()

    assert await captures(runtime) == 1


async def test_a_number_that_has_just_become_free_is_left_alone(
    runtime: app.Runtime, client_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "GRACE", 60.0)
    settings = runtime.settings
    async with mqtt.connect(settings.mqtt_url, client_ids[1], mqtt_source.filters(settings)) as connection:
        await wait.within(connection.connected.wait())
        await Replica(runtime).replicas.scan()

        assert (connection.session, connection.connected.is_set()) == (1, True)
    await device.forget(settings.mqtt_url, client_ids[1])


@pytest.mark.usefixtures("no_grace")
async def test_the_session_of_a_running_replica_is_left_alone(runtime: app.Runtime) -> None:
    settings = runtime.settings
    async with (
        Replica(runtime).running() as client_id,
        mqtt.connect(settings.mqtt_url, client_id, mqtt_source.filters(settings)) as connection,
    ):
        await wait.within(connection.connected.wait(), wait.PATIENCE)
        await Replica(runtime).replicas.scan()

        assert connection.session == 1
        assert connection.connected.is_set()
    await device.forget(settings.mqtt_url, client_id)


@pytest.mark.usefixtures("enrolled", "no_grace")
async def test_a_scan_of_numbers_without_a_session_takes_no_message(runtime: app.Runtime, phone: device.Device) -> None:
    settings = runtime.settings
    async with (
        Replica(runtime).running() as client_id,
        mqtt.connect(settings.mqtt_url, client_id, mqtt_source.filters(settings)) as connection,
    ):
        await wait.within(connection.connected.wait(), wait.PATIENCE)
        scanning = asyncio.create_task(Replica(runtime).replicas.scan())
        sent = received = 0
        while not scanning.done():
            await phone.say(factories.announcement(f"{sent}".encode()))
            sent += 1
        await scanning
        async with asyncio.timeout(wait.PATIENCE):
            while received < sent:
                batch = await connection.batch()
                connection.acknowledge(batch)
                received += len(batch)
    await device.forget(settings.mqtt_url, client_id)


@pytest.mark.usefixtures("enrolled")
async def test_no_message_is_lost_when_the_database_restarts_and_a_replica_is_removed(
    runtime: app.Runtime, client_ids: list[str], phone: device.Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "SCAN", 0.1)
    monkeypatch.setattr(replicas, "GRACE", 10.0)  # both lose their numbers and take them again
    settings = runtime.settings.model_copy(update={"mqtt_client_id": None})
    shared = app.Runtime(settings, runtime.sessions, runtime.queues, runtime.storage)

    async def send(names: range) -> None:
        await asyncio.gather(*(phone.say(factories.announcement(f"{name}".encode())) for name in names))

    async def all_stored(count: int) -> bool:
        return await captures(runtime) == count

    with structlog.testing.capture_logs():  # rendering the tracebacks of the relay takes seconds
        async with conftest.running(shared):
            async with conftest.running(shared):
                await send(range(20))
                await cut_connections(runtime)
                await send(range(20, 40))
            await send(range(40, 60))
            await wait.until(partial(all_stored, 60))

    for client_id in client_ids:
        await device.forget(settings.mqtt_url, client_id)


async def test_a_scan_finds_the_numbers_that_are_not_held(runtime: app.Runtime) -> None:
    replica = Replica(runtime).replicas
    held, free = replica._client_ids[::2], replica._client_ids[1::2]

    async with AsyncExitStack() as stack:
        for client_id in held:
            assert await stack.enter_async_context(db.hold(runtime.sessions, client_id))

        assert await replica._free() == set(free)
    assert await replica._free() == {*held, *free}
