"""Real servers for the whole session; a database, a bucket and queues of its own for each test that asks."""

import asyncio
import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy.ext.asyncio import AsyncSession

from strop import app, topology
from strop.settings import Settings
from strop_cli.platform.stack import Stack

ROOT = Path(__file__).parent.parent
_numbers = itertools.count()


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """PostgreSQL, the MQTT broker and the S3/SQS endpoint; their addresses are in the environment."""
    # Not under pytest's own folder: another run closes that one to PostgreSQL's user while this one works.
    with tempfile.TemporaryDirectory(prefix="strop-tests-") as folder, Stack(Path(folder)) as running:
        os.environ.update(running.env())
        yield running


@pytest.fixture(scope="session")
def template(stack: Stack) -> str:
    """The URL of a migrated database, to be copied."""
    url = stack.env()["DATABASE_URL"]
    config = Config(ROOT / "alembic.ini")
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    command.upgrade(config, "head")
    return url


@pytest.fixture
async def settings(template: str) -> AsyncIterator[Settings]:
    """Settings of an empty deployment: its own database, bucket and queues."""
    name = f"test{os.getpid()}n{next(_numbers)}"
    base, _, source = template.rpartition("/")
    admin = await asyncpg.connect(f"{base}/postgres")
    await admin.execute(f'create database "{name}" template "{source}"')
    yield Settings(database_url=f"{base}/{name}", bucket=name, queue_prefix=name, mqtt_client_id=name)
    await admin.execute(f'drop database "{name}" with (force)')
    await admin.close()


@pytest.fixture
async def runtime(settings: Settings) -> AsyncIterator[app.Runtime]:
    """Open clients on an empty deployment."""
    async with app.runtime(settings) as opened:
        await opened.queues.create(topology.SERVICES)
        await opened.storage.create(await opened.queues.arn("ingest"))
        yield opened


@pytest.fixture
async def session(runtime: app.Runtime) -> AsyncIterator[AsyncSession]:
    """A session to arrange and look; the test commits what others shall see."""
    async with runtime.sessions() as opened:
        yield opened


@pytest.fixture
def stop() -> asyncio.Event:
    return asyncio.Event()
