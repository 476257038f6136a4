"""MQTT with acknowledgement after the commit.

paho-mqtt runs its network loop in a thread of its own; messages cross into asyncio in batches, and a PUBACK is sent only
when the caller says so (`manual_ack`), because a QoS 1 message acknowledged before its commit is lost by a crash.
MQTT 3.1.1 with a persistent session: what comes in while the service is away waits at the broker.
"""

import asyncio
import ssl
import struct
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog
from paho.mqtt.client import Client, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from strop.settings import Settings
from strop_wire import takeover

log = structlog.get_logger()

_PUBACK = struct.Struct("!BBH")

PAUSE = 0.002
"""Seconds without a message after which a burst is over: the broker may wait for acknowledgements before it sends more."""
BURST = 16
"""So many messages are a burst; with fewer, the gain of a larger batch is worth the wait."""


def tls_context(settings: Settings) -> ssl.SSLContext:
    """Whom to trust and what to show, for mqtts://."""
    context = ssl.create_default_context(cafile=settings.mqtt_ca)
    if settings.mqtt_cert:
        context.load_cert_chain(settings.mqtt_cert, settings.mqtt_key)
    return context


@dataclass(frozen=True, slots=True)
class Message:
    topic: str
    payload: bytes
    mid: int
    qos: int
    session: int  # of which connection: an acknowledgement for an older one would hit another message's id


class NotConnected(ConnectionError):
    """The broker is away."""


class _ReadAhead:
    """A socket that reads many messages at once: paho itself asks the system three times for each.

    Every such call lets go of the interpreter, and while a batch is worked on in the other thread, getting it back takes
    longer than the message.
    """

    def __init__(self, plain: Any) -> None:
        self._plain = plain
        self._ahead = b""

    def recv(self, size: int) -> bytes:
        if not self._ahead:
            self._ahead = self._plain.recv(16_384)
        found, self._ahead = self._ahead[:size], self._ahead[size:]
        return found

    def pending(self) -> int:
        """Bytes that `select` does not see; paho asks for those of TLS as well."""
        return len(self._ahead) + (self._plain.pending() if isinstance(self._plain, ssl.SSLSocket) else 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)


class _Client(Client):
    def _create_socket(self) -> Any:
        return _ReadAhead(super()._create_socket())


class Mqtt:
    """One connection. Use `connect` below; it closes cleanly."""

    def __init__(
        self,
        url: str,
        client_id: str,
        filters: Sequence[str] = (),
        *,
        tls: ssl.SSLContext | None = None,
        leaving: bool = False,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._address = urlsplit(url)
        self._filters = filters
        self._leaving = leaving  # unsubscribe instead: what lies at the broker still comes, nothing is added to it
        self._inbox: deque[Message] = deque()  # filled by paho's thread
        self._arrived = asyncio.Event()  # set while something may be in it
        self._taken: deque[tuple[int, int]] = (
            deque()
        )  # session and id of what is not acknowledged yet, in order of arrival
        self._done: set[tuple[int, int]] = set()  # of these, what is acknowledged here and waits for those before it
        self._sent: dict[int, asyncio.Future[None]] = {}
        self._connection = 0  # counted by paho's thread; the loop follows in `_session`
        self._session = 0
        self.resumed = False  # the broker had a session of ours, with whatever lay there
        self.connected = asyncio.Event()  # accepted and, with filters, subscribed: from now on nothing is missed
        self._takeover = takeover.Takeover(client_id)
        self._client = self._make(client_id, tls)

    def _make(self, client_id: str, tls: ssl.SSLContext | None) -> Client:
        client = _Client(
            CallbackAPIVersion.VERSION2, client_id, clean_session=not self._filters, protocol=MQTTv311, manual_ack=True
        )
        if self._address.username:
            client.username_pw_set(unquote(self._address.username), unquote(self._address.password or ""))
        if self._address.scheme == "mqtts":
            client.tls_set_context(tls or ssl.create_default_context())
        client.max_inflight_messages_set(1000)
        client.reconnect_delay_set(min_delay=1, max_delay=10)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_subscribe = self._on_subscribe
        client.on_unsubscribe = self._on_unsubscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        return client

    @property
    def session(self) -> int:
        """How often the broker has accepted us: another number means that it may have forgotten what it retained."""
        return self._session

    def start(self) -> None:
        self._client.connect_async(self._address.hostname or "localhost", self._address.port or 1883, keepalive=30)
        self._client.loop_start()

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    # paho calls these in its own thread.
    def _on_connect(self, client: Client, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.error("the broker refuses the connection", reason=str(reason))
            return
        self._takeover.connected()
        self._connection += 1
        connection = self._connection
        self._call(lambda: self._accepted(connection, flags.session_present))
        if self._filters and self._leaving:
            client.unsubscribe(list(self._filters))
        elif self._filters:
            client.subscribe([(each, 1) for each in self._filters])
        else:
            self._call(self.connected.set)

    def _on_connect_fail(self, _client: Client, _data: Any) -> None:
        self._takeover.unreachable()

    def _on_subscribe(self, _client: Client, _data: Any, _mid: int, reasons: Sequence[Any], _properties: Any) -> None:
        if refused := [each for each, reason in zip(self._filters, reasons, strict=False) if reason.is_failure]:
            log.error("the broker refuses subscriptions", filters=refused)
        else:
            self._call(self.connected.set)

    def _on_unsubscribe(self, _client: Client, _data: Any, mid: int, _reasons: Any, _properties: Any) -> None:
        self._call(self.connected.set)
        self._call(lambda: self._settle(mid))

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.info("mqtt disconnected", reason=str(reason))
            if cause := self._takeover.ended():
                log.warning(cause)
        self._call(self.connected.clear)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self._inbox.append(Message(message.topic, bytes(message.payload), message.mid, message.qos, self._connection))
        if not self._arrived.is_set():  # once for many: waking the loop costs more than the message
            self._call(self._arrived.set)

    def _on_publish(self, _client: Client, _data: Any, mid: int, _reason: Any, _properties: Any) -> None:
        self._call(lambda: self._settle(mid))

    def _call(self, function: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(function)

    # The rest runs in the loop.
    def _accepted(self, session: int, resumed: bool) -> None:
        self._session = session
        self.resumed = resumed

    def _settle(self, mid: int) -> None:
        waiting = self._sent.pop(mid, None)
        if waiting and not waiting.done():
            waiting.set_result(None)

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False, timeout: float = 10) -> None:
        """Publish at QoS 1 and wait for the broker's PUBACK. NotConnected or TimeoutError when that fails."""
        if not self.connected.is_set():
            raise NotConnected("the MQTT broker is away")
        await self._settled(self._client.publish(topic, payload, qos=1, retain=retain).mid, timeout)

    async def round_trip(self, timeout: float = 30) -> None:
        """Unsubscribe (again) and wait for the broker's answer: what it had sent before has arrived by then."""
        _, mid = self._client.unsubscribe(list(self._filters))
        if mid is None:
            raise NotConnected("the MQTT broker is away")
        await self._settled(mid, timeout)

    async def _settled(self, mid: int, timeout: float) -> None:
        waiting: asyncio.Future[None] = self._loop.create_future()
        self._sent[mid] = waiting
        try:
            await asyncio.wait_for(waiting, timeout)
        finally:
            self._sent.pop(mid, None)

    async def batch(self, limit: int = 500, linger: float = 0.05, readers: int = 1) -> list[Message]:
        """The next messages: at least one, up to `limit`, gathered for up to `linger` seconds after the first.

        Several `readers` at once share what the broker sends ahead of acknowledgements: rumqttd and AWS IoT Core send 100.
        """
        while True:
            await self._arrived.wait()
            await self._gather(limit, linger)
            share = max(BURST, (len(self._taken) + len(self._inbox)) // readers)
            if messages := self._take(min(limit, share if readers > 1 else limit)):
                return messages

    async def _gather(self, limit: int, linger: float) -> None:
        """Let messages come in until they are enough, or a burst is over, or the time is."""
        end, before = self._loop.time() + linger, 0
        while (here := len(self._inbox)) < limit and self._loop.time() < end:
            if here == before >= BURST:
                break
            before = here
            await asyncio.sleep(PAUSE)

    def _take(self, limit: int) -> list[Message]:
        """What arrived, without what an earlier connection brought: not acknowledged, so the broker sends it again."""
        messages: list[Message] = []
        while self._inbox and len(messages) < limit:
            message = self._inbox.popleft()
            if message.session >= self._session:
                messages.append(message)
                if message.qos == 1:
                    self._taken.append((message.session, message.mid))
        if not self._inbox:
            self._arrived.clear()
            if self._inbox:  # paho's thread was quicker, and took the event for set
                self._arrived.set()
        return messages

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Send the PUBACKs, after the commit. Those of an earlier connection are left out: the broker resends them.

        They go out in the order in which the messages came, as MQTT requires (rumqttd ends the connection otherwise): one
        waits for those before it.
        """
        current = self._connection
        self._done.update((each.session, each.mid) for each in messages if each.qos == 1 and each.session == current)
        pubacks = []
        while self._taken and (self._taken[0] in self._done or self._taken[0][0] != self._connection):
            session, mid = first = self._taken.popleft()
            self._done.discard(first)
            if session == self._connection:
                pubacks.append(_PUBACK.pack(0x40, 2, mid))
        if pubacks and self._client.is_connected():
            # In one packet of paho's: its own `ack` takes a write of its own for each, and as much time as the commit.
            self._client._packet_queue(0x40, b"".join(pubacks), 0, 1)  # noqa: SLF001


@asynccontextmanager
async def connect(
    url: str,
    client_id: str,
    filters: Sequence[str] = (),
    *,
    tls: ssl.SSLContext | None = None,
    leaving: bool = False,
) -> AsyncIterator[Mqtt]:
    """Open a connection that reconnects by itself. With filters, the session is persistent: `client_id` must be stable."""
    client = Mqtt(url, client_id, filters, tls=tls, leaving=leaving)
    client.start()
    try:
        yield client
    finally:
        await asyncio.to_thread(client.stop)
