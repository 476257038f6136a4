"""The services that a capture meets, at real addresses. These tests run programs that not every machine has: `make clients`."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ingest import __main__ as ingest
from ingest.sources import mqtt as mqtt_source
from labeling_queue import __main__ as labeling_queue
from router import __main__ as router
from strop import app
from strop.settings import Settings
from strop_devstack.platform import ports
from tests import device, factories, users, wait

PROGRAMS = ("mosquitto_pub", "mosquitto_sub", "curl", "bash")


@pytest.fixture(scope="session", autouse=True)
def programs() -> None:
    """A missing program is a failure, not a skip: who asks for these tests wants them to run."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    assert not missing, f"{', '.join(missing)} missing. On Debian and Ubuntu: sudo apt install mosquitto-clients curl"


@dataclass(frozen=True, slots=True)
class Site:
    """Where everything is, as `strop.env` tells it."""

    mqtt: str
    web: str
    token: str

    @property
    def env(self) -> dict[str, str]:
        return {"MQTT_URL": self.mqtt, "STROP_URL": self.web, "STROP_TOKEN": self.token}


@pytest.fixture
async def site(runtime: app.Runtime, settings: Settings, stop: asyncio.Event, tmp_path: Path) -> AsyncIterator[Site]:
    """Ingest, router and labeling queue, with the project and device of docs/wire.md."""
    async with runtime.sessions.begin() as session:
        await factories.make_project(session, "beverages", ("line-7",))
        token = await users.token(session, "stranger", "api")
    (tmp_path / "run").mkdir()
    settings = settings.model_copy(update={"port": ports.stable(tmp_path, "web")})
    ready = asyncio.Event()
    builds = {each.NAME: each.build for each in (ingest, router, labeling_queue)}
    serving = asyncio.create_task(app.serve(settings, builds, stop=stop, ready=ready))
    async with asyncio.timeout(wait.PATIENCE):
        await ready.wait()
    yield Site(settings.mqtt_url, f"http://127.0.0.1:{settings.port}", token)
    stop.set()
    await serving
    await device.forget(settings.mqtt_url, mqtt_source.client_id(settings))
    await device.forget(settings.mqtt_url, "beverages:line-7")
