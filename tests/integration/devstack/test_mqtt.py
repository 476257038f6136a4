"""Each broker keeps what the services and devices count on."""

import queue
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from strop_devstack.platform import mqtt, ports
from strop_devstack.platform.server import Plan, Server
from tests import brokers


@pytest.fixture
def state(tmp_path: Path) -> Path:
    for folder in ("run", "logs"):
        (tmp_path / folder).mkdir()
    return tmp_path


@pytest.fixture(params=brokers.NAMES)
def broker(state: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    with running(mqtt.plan(state, ports.stable(state, "mqtt"), brokers.program(request.param)), state) as server:
        yield server


@contextmanager
def running(plan: Plan, state: Path) -> Iterator[Server]:
    server = Server(plan, state)
    try:
        server.await_answer()
        yield server
    finally:
        server.stop()


class Subscriber:
    """A client with a persistent session that keeps what it gets."""

    def __init__(self, port: int, name: str) -> None:
        self.got: queue.Queue[bytes] = queue.Queue()
        subscribed: queue.Queue[int] = queue.Queue()
        self._client = Client(CallbackAPIVersion.VERSION2, name, clean_session=False, protocol=MQTTv311)
        self._client.on_message = lambda _client, _data, message: self.got.put(bytes(message.payload))
        self._client.on_subscribe = lambda _client, _data, mid, *_: subscribed.put(mid)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe("strop/#", 1)
        subscribed.get(timeout=10)

    def leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def publish(port: int, topic: str, payload: bytes, *, retain: bool = False) -> None:
    client = Client(CallbackAPIVersion.VERSION2, "publisher", protocol=MQTTv311)
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.publish(topic, payload, 1, retain).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def test_a_disconnected_subscriber_gets_its_messages_when_it_returns(broker: Server, state: Path) -> None:
    port = ports.remembered(state, "mqtt")
    Subscriber(port, "away").leave()
    publish(port, "strop/p/d/capture", b"while you were away")

    back = Subscriber(port, "away")

    assert back.got.get(timeout=10) == b"while you were away"
    back.leave()


def test_a_large_payload_passes_and_a_retained_one_waits(broker: Server, state: Path) -> None:
    port = ports.remembered(state, "mqtt")
    publish(port, "strop/p/d/desired", b"x" * 262_144, retain=True)

    late = Subscriber(port, "late")

    assert len(late.got.get(timeout=10)) == 262_144
    late.leave()


def test_mosquitto_keeps_what_it_saved_over_a_kill(state: Path) -> None:
    port = ports.stable(state, "mqtt")
    plan = mqtt.plan(state, port, brokers.mosquitto())
    with running(plan, state) as first:
        Subscriber(port, "away").leave()
        publish(port, "strop/p/d/capture", b"kept")
        psutil.Process(first.pid).send_signal(signal.SIGUSR1)  # save now, not in some seconds
        saved = state / "mqtt" / "mosquitto.db"
        while not (saved.exists() and b"kept" in saved.read_bytes()):
            time.sleep(0.01)
        psutil.Process(first.pid).kill()

    with running(plan, state):
        back = Subscriber(port, "away")
        assert back.got.get(timeout=10) == b"kept"
        back.leave()


def test_an_open_port_without_a_broker_is_no_broker(state: Path) -> None:
    assert not mqtt.accepts_clients(ports.stable(state, "nobody"))
