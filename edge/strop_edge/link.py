"""The MQTT connection: reconnects, passes messages to handlers, and counts unacknowledged messages."""

import logging
import random
import ssl
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from strop_edge.config import Broker, Config
from strop_wire import takeover

Handler = Callable[[bytes], None]
Receipt = Callable[[], bool]
"""Returns whether the broker has acknowledged a message."""

KEEPALIVE = 30
FIRST_WAIT, LAST_WAIT = (0.5, 2.0), (60.0, 120.0)
"""Ranges of the first and the longest wait before a reconnect, in seconds."""
MAX_ON_ITS_WAY = 200
"""Limit of unacknowledged messages on a slow line. Refused ones are published later: captures by the spool, states by the next one."""

log = logging.getLogger(__name__)


class Link:
    """One device's connection. `handlers` by topic are called from the network thread and must be brief."""

    def __init__(
        self,
        config: Config,
        tls: ssl.SSLContext,
        handlers: dict[str, Handler],
        on_connect: Callable[[], None],
        on_error: Callable[[str], None],
    ) -> None:
        self.bytes_sent = 0  # payloads, as handed to the broker
        self._handlers, self._on_connect, self._on_error = handlers, on_connect, on_error
        self.connected = False
        self._published = self._acknowledged = 0
        self._changed = threading.Condition()
        self._broker = Broker.parse(config.broker)
        self._client_id = f"{config.project}:{config.device}"  # no name has a colon: with a hyphen a-b/c would be a/b-c
        self._takeover = takeover.Takeover(self._client_id)
        self._client = self._make_client(config, tls)

    def _make_client(self, config: Config, tls: ssl.SSLContext) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=False,  # the broker queues grants and models while the device is offline
            protocol=mqtt.MQTTv311,
        )
        if self._broker.tls:
            client.tls_set_context(tls)
        if config.username:
            client.username_pw_set(config.username, config.password)
        client.on_connect = self._connect
        client.on_connect_fail = self._unreachable
        client.on_disconnect = self._disconnect
        client.on_subscribe = self._subscribed
        client.on_publish = self._published_one
        client.on_message = self._message
        _jitter(client)
        return client

    def start(self) -> None:
        self._client.connect_async(self._broker.host, self._broker.port, KEEPALIVE)
        self._client.loop_start()

    def stop(self, patience: float = 3.0) -> None:
        """Wait up to `patience` seconds for acknowledgements, then disconnect."""
        with self._changed:
            self._changed.wait_for(lambda: self.on_its_way == 0 or not self.connected, patience)
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def on_its_way(self) -> int:
        """The number of messages that the broker has not acknowledged yet."""
        return self._published - self._acknowledged

    def publish(self, topic: str, payload: bytes) -> Receipt | None:
        """Publish with QoS 1; None without a connection, or with too many unacknowledged messages: the caller publishes it later."""
        with self._changed:
            if not self.connected or self.on_its_way >= MAX_ON_ITS_WAY:
                return None
            self._published += 1
            self.bytes_sent += len(payload)
        return partial(_is_acknowledged, self._client.publish(topic, payload, qos=1))

    def _connect(self, client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if reason.is_failure:
            self._on_error(f"the broker refuses the connection: {reason}")
            return
        # On every connect, also of a resumed session: a broker may have lost its subscriptions.
        client.subscribe([(topic, 1) for topic in self._handlers])
        self._takeover.connected()
        self._set_connected(True)
        log.info("connected to %s:%d", self._broker.host, self._broker.port)
        self._guard("connecting", self._on_connect)

    def _disconnect(self, client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        lost = self.connected
        self._set_connected(False)
        if reason.is_failure:
            what = "the connection to the broker was lost" if lost else "the broker ended the connection at once"
            self._on_error(f"{what}; trying again")
            if cause := self._takeover.ended():
                self._on_error(cause)
        if lost:  # else the backoff continues to grow
            _jitter(client, self._takeover.excess)

    def _subscribed(self, _client: Any, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Any) -> None:
        for topic, reason in zip(self._handlers, reasons, strict=False):
            if reason.is_failure:
                self._on_error(f"the broker refuses the subscription to {topic}: {reason}")

    def _published_one(self, *_args: Any) -> None:
        with self._changed:
            self._acknowledged += 1
            self._changed.notify_all()

    def _message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        handler = self._handlers.get(message.topic)
        if handler is not None:
            payload = bytes(message.payload)
            self._guard(f"message on {message.topic}", lambda: handler(payload))

    def _guard(self, what: str, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # the next message must still be processed
            log.exception(what)
            self._on_error(f"{what}: {error}")

    def _unreachable(self, *_args: Any) -> None:
        self._takeover.unreachable()
        self._on_error(f"cannot reach the broker at {self._broker.host}:{self._broker.port}")

    def _set_connected(self, connected: bool) -> None:
        with self._changed:
            self.connected = connected
            self._changed.notify_all()


def _is_acknowledged(sent: mqtt.MQTTMessageInfo) -> bool:
    """Whether there was a PUBACK. False for a message that was sent while the connection ended, which paho does not track."""
    return sent.rc == mqtt.MQTT_ERR_SUCCESS and sent.is_published()


def _jitter(client: mqtt.Client, excess: int = 0) -> None:
    """Choose a new backoff (seconds; it doubles from the first to the last), so that a fleet does not reconnect at the same moment.

    paho starts again with the first after each connection. So that doubles with `excess` short connections: two clients
    that end each other's connections would reconnect every second.
    """
    last = random.uniform(*LAST_WAIT)
    client.reconnect_delay_set(min(random.uniform(*FIRST_WAIT) * 2 ** min(excess, 10), last), last)  # type: ignore[arg-type]
