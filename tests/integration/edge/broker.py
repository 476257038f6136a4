"""A real MQTT broker of a test's own, which can be killed and started again on the same port."""

import subprocess
import time
from pathlib import Path

import pytest

from strop_cli.platform import mqtt, ports

MOSQUITTO = mqtt.find_mosquitto()
# Mosquitto where it is installed, and always the broker of the wheel.
BROKERS = [*([pytest.param(MOSQUITTO, id="mosquitto")] if MOSQUITTO else []), pytest.param(None, id="rumqttd")]
both_brokers = pytest.mark.parametrize("broker", BROKERS, indirect=True)


class Broker:
    """Mosquitto, or rumqttd when `mosquitto` is None."""

    def __init__(self, state: Path, mosquitto: str | None) -> None:
        (state / "run").mkdir(parents=True, exist_ok=True)
        self._port = ports.stable(state, "mqtt")
        self._plan = mqtt.plan(state, self._port, mosquitto)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self._port}"

    def start(self) -> None:
        self._process = subprocess.Popen(self._plan.argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not self._plan.answers():
            assert time.monotonic() < deadline, "the broker does not answer"
            time.sleep(0.02)

    def kill(self) -> None:
        """As a power cut would."""
        assert self._process
        self._process.kill()
        self._process.wait()
