from collections.abc import AsyncIterator

import pytest

from deployer.targets import mqtt as mqtt_target
from strop import app, mqtt
from tests.integration.deployer import lab as labs


@pytest.fixture
def runs_as() -> str:
    return "deployer"


@pytest.fixture
def lab(runtime: app.Runtime) -> labs.Lab:
    """A project of its own name: the broker is shared, and it retains."""
    return labs.Lab(runtime, runtime.settings.bucket)


@pytest.fixture
async def target(runtime: app.Runtime) -> AsyncIterator[mqtt_target.MqttTarget]:
    async with mqtt.connect(runtime.settings.mqtt_url, labs.unique_client_id()) as client:
        await client.connected.wait()
        yield mqtt_target.MqttTarget(client)


@pytest.fixture
def ticking(runtime: app.Runtime, target: mqtt_target.MqttTarget) -> labs.Ticking:
    return labs.Ticking(runtime.sessions, target, labs.QUICK)
