"""A capture's way from the device to its label task, while one of the services on it is killed."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy import func, select

from console import ledger
from ingest import announcements
from strop import app, outbox
from strop_contracts import tables, topology
from tests import device, factories
from tests.integration.crash import victim

PACKAGES = {"ingest": "ingest", "router": "router", "labeling-queue": "labeling_queue"}
IMAGES = [factories.picture(seed) for seed in range(6)]


@asynccontextmanager
async def others(runtime: app.Runtime, dying: str, point: str) -> AsyncIterator[None]:
    """The other services of the way, in this process; their relay too, unless a relay shall die: it would be quicker."""
    stop = asyncio.Event()
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for name in PACKAGES.keys() - {dying}:
            own = await stack.enter_async_context(app.runtime(runtime.settings, name))
            for loop in import_module(f"{PACKAGES[name]}.__main__").build(own).loops:
                group.create_task(loop(stop))
        if point != "relay:sent":
            group.create_task(outbox.relay(runtime.sessions, runtime.queues, stop, idle=0.02))
        yield
        stop.set()


async def deliver(phone: device.Device) -> dict[str, str]:
    """Announce every image, again and again as a device does, upload what is wanted; the journal of what became of each."""
    said = {each.id: (each, body) for body in IMAGES for each in [factories.announcement(body)]}
    journal: dict[str, str] = {}
    while len(journal) < len(said):
        for capture, (announcement, _) in said.items():
            if capture not in journal:
                await phone.say(announcement)
        try:
            async with asyncio.timeout(2):
                while len(journal) < len(said):
                    await hear(phone, said, journal)
        except TimeoutError:
            continue  # a grant was lost with its service: it is told again when the capture is announced again
    return journal


async def hear(phone: device.Device, said: Mapping[str, tuple[object, bytes]], journal: dict[str, str]) -> None:
    for grant in (await phone.hear()).captures:
        if grant.action == "upload":
            await phone.put(grant, said[grant.capture][1])
        else:
            journal[grant.capture] = {"stored": "stored", "drop": "dropped"}[grant.action]


@pytest.mark.parametrize(
    ("service", "point"),
    [
        ("ingest", "ingest:stored"),
        ("ingest", "ingest:committed"),
        ("ingest", "relay:sent"),
        ("router", "router:committed"),
        ("labeling-queue", "labeling-queue:committed"),
    ],
)
async def test_every_capture_is_accounted_for_exactly_once(
    runtime: app.Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: str, point: str
) -> None:
    async with runtime.sessions.begin() as session:
        await factories.make_project(session)
    await victim.return_soon(runtime, monkeypatch, *PACKAGES, topology.IMAGES)
    async with (
        device.connect(runtime.settings.mqtt_url) as phone,
        others(runtime, service, point),
        victim.killed(runtime, PACKAGES[service], point, tmp_path),
    ):
        journal = await deliver(phone)
        await victim.drained(runtime, *PACKAGES, topology.IMAGES)

    async with runtime.sessions() as session:
        found = await ledger.check(session, factories.PROJECT, journal)
        tasks = await session.scalar(select(func.count()).select_from(tables.LabelTask))
    assert found.clean, found
    assert found.announced == len(IMAGES)
    assert tasks == list(journal.values()).count("stored") > 0
    await device.forget(runtime.settings.mqtt_url, announcements.client_id(runtime.settings))
