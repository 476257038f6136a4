"""A fleet and a labeler at work on a site, and the accounts afterwards."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from sqlalchemy import func, select

from console import ledger
from strop import app
from strop_contracts import tables, topology
from strop_devstack.demo.labeler import Labeler
from tests import factories
from tests.integration.crash import victim
from tests.soak import fleet, site

DEVICES = ("line-1", "line-2", "line-3", "line-4")
EACH = 60  # captures
PACE = 0.5  # seconds between two captures of a device


@asynccontextmanager
async def on(running: site.Site) -> AsyncIterator[list[fleet.Device]]:
    """Devices that announce, and somebody who labels what comes home."""
    shown = {name: fleet.pictures(name, EACH) for name in DEVICES}
    truth = {hashlib.sha256(body).hexdigest(): label for own in shown.values() for body, label in own.items()}
    url, stop = running.runtime.settings.mqtt_url, asyncio.Event()
    devices = [fleet.Device(url, name, list(own)) for name, own in shown.items()]
    labeler = Labeler(running.url, running.token, factories.PROJECT, truth)
    try:
        async with asyncio.TaskGroup() as group:
            for device in devices:
                group.create_task(device.run(PACE, stop))
            yield devices
            stop.set()
    finally:
        await asyncio.to_thread(labeler.close)


async def soon(look: Callable[[], Awaitable[object]], seconds: float = 300) -> None:
    async with asyncio.timeout(seconds):
        while not await look():
            await asyncio.sleep(0.2)


async def settled(running: site.Site, devices: list[fleet.Device]) -> None:
    """Every capture has its fate, every task its answer, and the model of these labels is on every device."""

    async def answered() -> bool:
        return all(device.done for device in devices)

    async def labelled() -> bool:
        return not await count(running.runtime, tables.LabelTask, tables.LabelTask.state == "open")

    async def deployed() -> bool:
        """By its own rules, and by what every device has said: half of them would be enough for the rollout."""
        installed = tables.DeploymentDevice.state == "installed"
        if await count(running.runtime, tables.DeploymentDevice, installed) < len(DEVICES):
            return False
        return await count(running.runtime, tables.Deployment, tables.Deployment.state == "succeeded") > 0

    await soon(answered)
    await soon(labelled)
    await soon(deployed)
    async with asyncio.timeout(120):
        await victim.drained(running.runtime, *topology.QUEUES)


async def count(runtime: app.Runtime, table: type[tables.Base], *where: object) -> int:
    async with runtime.sessions() as session:
        return await session.scalar(select(func.count()).select_from(table).where(*where)) or 0  # type: ignore[arg-type]


async def assert_exactly_once(running: site.Site, devices: list[fleet.Device]) -> None:
    journal = {capture: fate for device in devices for capture, fate in device.fates.items()}
    async with running.runtime.sessions() as session:
        found = await ledger.check(session, factories.PROJECT, journal)
    assert found.clean, found
    assert found.captures == found.announced == len(DEVICES) * EACH
    assert await count(running.runtime, tables.LabelTask) == list(journal.values()).count("stored") > site.MIN_LABELS
    for table in (tables.TrainingRun, tables.ModelVersion, tables.Deployment):
        assert await count(running.runtime, table) == 1, table
    installed = tables.DeploymentDevice.state == "installed"
    assert await count(running.runtime, tables.DeploymentDevice, installed) == len(DEVICES)
    assert await site.letters(running.runtime) == []
