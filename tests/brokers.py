"""The MQTT brokers that tests run on: Mosquitto, and the embedded one, which is the default of a machine without Mosquitto.

A test marked with `each` runs on both of them: each has faults that the other does not show. The other tests run on
Mosquitto, as do those of what it alone has: TLS, access lists, shared subscriptions.
"""

import subprocess
import time
from pathlib import Path
from typing import Protocol

import pytest

from strop_devstack.platform import mqtt, ports

MOSQUITTO, EMBEDDED = NAMES = ("mosquitto", "embedded")
each = pytest.mark.parametrize("broker", NAMES, indirect=True)


def mosquitto() -> str:
    """The program; without it the test fails, for half of what it is there to show would be left out."""
    return mqtt.find_mosquitto() or pytest.fail("Mosquitto is missing. On Debian and Ubuntu: apt-get install mosquitto")


def program(name: str) -> str | None:
    """What `mqtt.plan` takes for this broker."""
    return mosquitto() if name == MOSQUITTO else None


class Address(Protocol):
    """A broker that runs."""

    @property
    def url(self) -> str: ...

    @property
    def shared(self) -> bool:
        """Can several subscribers share the work?"""


class Broker:
    """One of a test's own, which can be killed and started again on the same port."""

    def __init__(self, state: Path, name: str = MOSQUITTO) -> None:
        (state / "run").mkdir(parents=True, exist_ok=True)
        self.shared = name == MOSQUITTO
        self._port = ports.stable(state, "mqtt")
        self._plan = mqtt.plan(state, self._port, program(name))
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
