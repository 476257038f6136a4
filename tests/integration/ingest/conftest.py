"""Ingest at work on its own, and a device that talks to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ingest import __main__ as main
from ingest import announcements, answers, objects
from strop import app, mqtt, outbox
from tests import device, factories, roles, wait


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
    await device.forget(runtime.settings.mqtt_url, announcements.client_id(runtime.settings))


@pytest.fixture
async def phone(runtime: app.Runtime, enrolled: None) -> AsyncIterator[device.Device]:
    """The enrolled device."""
    async with device.connect(runtime.settings.mqtt_url) as connected:
        yield connected


@pytest.fixture
async def files(runtime: app.Runtime) -> objects.Objects:
    """The handler of what appears. Its broker is away, which changes nothing of what it does."""
    broker = mqtt.Mqtt(runtime.settings.mqtt_url, "away")
    return objects.Objects(runtime.sessions, runtime.storage, answers.Answers(runtime.storage, broker))
