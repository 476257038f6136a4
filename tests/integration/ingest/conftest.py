"""Ingest at work on its own, and a device that talks to it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from ingest import __main__ as main
from ingest import grant_publisher, object_changes
from ingest.sources import mqtt as mqtt_source
from strop import app, mqtt, outbox
from strop_cli import certs
from tests import device, factories, roles, wait
from tests.integration.ingest.access import ENROLLED, Broker


@pytest.fixture
def runs_as() -> str:
    return "ingest"


@pytest.fixture
async def enrolled(runtime: app.Runtime) -> None:
    """One project with one device."""
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session)


@asynccontextmanager
async def running(runtime: app.Runtime) -> AsyncIterator[app.Service]:
    """Ingest with its relay, connected to the broker."""
    stop = asyncio.Event()
    service = main.build(runtime)
    async with asyncio.TaskGroup() as group:
        for loop in service.loops:
            group.create_task(loop(stop))
        group.create_task(outbox.relay(runtime.sessions, runtime.queues, stop, idle=0.02))
        async with asyncio.timeout(wait.PATIENCE):
            while not service.ready():
                await asyncio.sleep(0.01)
        yield service
        stop.set()


@pytest.fixture
async def ingest(runtime: app.Runtime, enrolled: None) -> AsyncIterator[app.Service]:
    async with running(runtime) as service:
        yield service
    await device.forget(runtime.settings.mqtt_url, mqtt_source.client_id(runtime.settings))


@pytest.fixture
async def phone(runtime: app.Runtime, enrolled: None) -> AsyncIterator[device.Device]:
    """The enrolled device."""
    async with device.connect(runtime.settings.mqtt_url) as connected:
        yield connected


@pytest.fixture
async def files(runtime: app.Runtime) -> object_changes.ObjectChanges:
    """The handler of what appears. Its broker is away, which changes nothing of what it does."""
    broker = mqtt.Mqtt(runtime.settings.mqtt_url, "away")
    return object_changes.ObjectChanges(
        runtime.sessions, runtime.storage, grant_publisher.GrantPublisher(runtime.storage, broker)
    )


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    running = Broker(tmp_path_factory.mktemp("access"))
    certs.make(running.folder, None)
    for project, name in sorted({*ENROLLED, ("bottles", "removed"), ("bottles", "lost"), ("bottles", "new")}):
        certs.device(project, [name], running.folder)
    running.start()
    asyncio.run(running.enrol(ENROLLED))
    yield running
    running.stop()
