"""Real servers for the whole session; a database, a bucket and queues of its own for each test that asks."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy.ext.asyncio import AsyncSession

from strop import app
from strop.settings import Settings
from strop_cli import isolation
from strop_contracts import topology
from strop_devstack.platform.stack import Stack
from tests import brokers, deployments, roles

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """PostgreSQL, Mosquitto and the S3/SQS endpoint; their addresses are in the environment."""
    brokers.mosquitto()
    isolation.clean(os.environ)
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


@dataclass(frozen=True)
class _Address:
    url: str
    shared: bool


@pytest.fixture(scope="session")
def _embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[brokers.Broker]:
    running = brokers.Broker(tmp_path_factory.mktemp("embedded"), brokers.EMBEDDED)
    running.start()
    yield running
    running.kill()


@pytest.fixture
def broker(request: pytest.FixtureRequest, stack: Stack) -> brokers.Address:
    """One that all tests share: Mosquitto, and the embedded one as well for tests that are marked with `brokers.each`."""
    if getattr(request, "param", brokers.MOSQUITTO) == brokers.EMBEDDED:
        embedded: brokers.Broker = request.getfixturevalue("_embedded")
        return embedded
    return _Address(stack.env()["MQTT_URL"], stack.shared_subscriptions)


@pytest.fixture
async def settings(template: str, broker: brokers.Address) -> AsyncIterator[Settings]:
    """Settings of an empty deployment: its own database, bucket and queues. `roles.arranging` has the owner's sessions."""
    async with deployments.empty(template, broker) as own:
        yield own


@pytest.fixture
def runs_as() -> str | None:
    """The service whose rights `runtime` has; None: those of the tables' owner. The folder of a service's tests names it."""
    return None


@pytest.fixture
async def runtime(settings: Settings, runs_as: str | None) -> AsyncIterator[app.Runtime]:
    """Open clients on an empty deployment. `roles` has the owner's for what a test arranges."""
    async with app.runtime(settings, runs_as) as opened:
        await opened.queues.create()
        await opened.storage.create(await opened.queues.arn(topology.IMAGES))
        yield opened


@pytest.fixture
async def session(runtime: app.Runtime) -> AsyncIterator[AsyncSession]:
    """A session of the tables' owner, to arrange and look; the test commits what others shall see."""
    async with roles.arranging(runtime)() as opened:
        yield opened


@pytest.fixture
def stop() -> asyncio.Event:
    return asyncio.Event()
