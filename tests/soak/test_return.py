"""A device that comes back with a full spool, to the real ingest, router and labeling queue: what becomes of each capture."""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import func, select

from console import ledger
from ingest import __main__ as ingest
from labeling_queue import __main__ as labeling_queue
from router import __main__ as router
from router import policies, rules
from strop import app
from strop.settings import Settings
from strop_contracts import tables, topology
from strop_edge import journal
from tests import factories
from tests.integration.crash import victim
from tests.soak import load, returning
from tests.unit.edge import packages

SPOOLED = 3_000
AUDITS = SPOOLED // returning.AUDITS + 1  # and the one image that the camera shows after the start
SECONDS = 240
"""Several times what it takes: a busy machine."""


def photograph() -> bytes:
    """A JPEG of about 16 KB."""
    noise = Image.frombytes("RGB", (180, 135), random.Random(1).randbytes(180 * 135 * 3))
    return packages.encoded(noise, "JPEG")


@asynccontextmanager
async def cloud(runtime: app.Runtime, settings: Settings, **policy: int) -> AsyncIterator[None]:
    """The services on a capture's way, and a project with this policy."""
    async with runtime.sessions.begin() as session:
        await factories.make_project(session)
        if policy:
            await policies.set_policy(session, factories.PROJECT, policy)
    stop, ready = asyncio.Event(), asyncio.Event()
    builds = {each.NAME: each.build for each in (ingest, router, labeling_queue)}
    async with asyncio.TaskGroup() as group:
        group.create_task(app.serve(settings.model_copy(update={"port": 0}), builds, stop=stop, ready=ready))
        await ready.wait()
        yield
        stop.set()


async def come_back(runtime: app.Runtime, folder: Path) -> dict[str, str]:
    """Start the device on its full spool, and wait until it is empty; returns the last fate of each capture."""
    state, shown = folder / "device", folder / "images"
    shown.mkdir()
    (shown / "new.jpg").write_bytes(packages.RED)
    returning.install(state)
    image = photograph()
    assert 14_000 < len(image) < 18_000
    limit = returning.fill(state, returning.numbered(image, SPOOLED), "image/jpeg")
    own = ["--project", factories.PROJECT, "--device", factories.DEVICE, "--state", str(state)]
    how = ["--source", str(shown), "--broker", runtime.settings.mqtt_url, "--spool-bytes", str(2 * limit)]
    with (folder / "agent.log").open("wb") as log:
        agent = await asyncio.create_subprocess_exec(sys.executable, "-m", "strop_edge", "run", *how, *own, stderr=log)
    try:
        async with asyncio.timeout(SECONDS):
            assert await agent.wait() == 0  # its source has ended and its spool is empty
            await victim.drained(runtime, "ingest", topology.IMAGES, "router", "labeling-queue")
    finally:
        if agent.returncode is None:
            agent.kill()
            await agent.wait()
    return journal.fates(state)


async def assert_accounted_for(runtime: app.Runtime, fates: dict[str, str]) -> None:
    """Nothing lost, nothing doubled; each image that is stored waits to be labelled."""
    async with runtime.sessions() as session:
        found = await ledger.check(session, factories.PROJECT, fates)
        letters = (await session.scalars(select(tables.DeadLetter.reason))).all()
    assert found.clean, found
    assert found.captures == found.announced == SPOOLED + 1
    assert letters == []
    stored = list(fates.values()).count("stored")
    assert await load.count(runtime, tables.Image) == await load.count(runtime, tables.LabelTask) == stored


async def reasons(runtime: app.Runtime) -> dict[str, int]:
    """What the router said, and how often."""
    async with runtime.sessions() as session:
        counted = select(tables.Route.reason, func.count()).group_by(tables.Route.reason)
        return dict((await session.execute(counted)).all())


async def dropped(runtime: app.Runtime) -> dict[str, int]:
    """What the device reported as lost at last; what nobody wanted is none of it."""
    async with runtime.sessions() as session:
        (report,) = await session.scalars(select(tables.DeviceReport))
    found: dict[str, int] = report.state.dropped
    return found


@pytest.mark.timeout(300)
async def test_where_the_budget_allows_it_everything_is_stored(
    runtime: app.Runtime, settings: Settings, tmp_path: Path
) -> None:
    async with cloud(runtime, settings, device_per_hour=10_000, fleet_per_hour=10_000):
        fates = await come_back(runtime, tmp_path)

    await assert_accounted_for(runtime, fates)
    assert Counter(fates.values()) == {"stored": SPOOLED + 1}
    assert await reasons(runtime) == {"low": SPOOLED + 1 - AUDITS, "audit": AUDITS}
    assert await dropped(runtime) == {}


@pytest.mark.timeout(300)
async def test_where_the_budget_is_short_what_is_over_it_is_dropped_and_counted_as_that(
    runtime: app.Runtime, settings: Settings, tmp_path: Path
) -> None:
    async with cloud(runtime, settings):
        fates = await come_back(runtime, tmp_path)
    budget = rules.Policy().device_per_hour
    over = SPOOLED + 1 - AUDITS - budget

    await assert_accounted_for(runtime, fates)
    assert Counter(fates.values()) == {"stored": AUDITS + budget, "dropped:cloud:device-budget": over}
    assert await reasons(runtime) == {"low": budget, "audit": AUDITS, "device-budget": over}
    assert await dropped(runtime) == {}
