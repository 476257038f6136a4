"""An MQTT 3.1.1 client at QoS 1 that acknowledges when the caller asks it to.

A message acknowledged before its commit is lost by a crash, so a PUBACK is sent by `acknowledge` alone. Sessions with
filters are persistent: the broker keeps what arrives while the service is offline. Everything runs in one thread, in the
event loop: a client with a thread of its own competes with the loop for the GIL (docs/decisions/0001).
"""

import asyncio
import itertools
import math
import random
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import structlog

from strop import metrics, packets
from strop.settings import Settings
from strop_wire import takeover

log = structlog.get_logger()

KEEPALIVE = 30
"""Seconds; a PINGREQ is sent twice in this time, and a connection without any byte for half as long again is closed."""
RECONNECT = 1.0, 10.0
"""Seconds of backoff before the first and before a late reconnect."""
RESUBSCRIBE = 10.0
"""Seconds after which a refused subscription is requested again: its right may be granted later."""
CONNECT_TIMEOUT = 10.0
CLOSE_TIMEOUT = 2.0
"""Seconds to send what is buffered, and to close TLS."""
MAX_INFLIGHT = 1000
"""Messages sent at once without the broker's PUBACK."""

MAX_BEST_EFFORT = 100
"""Messages at QoS 0 that wait for a reader; more are dropped. At QoS 1 the broker waits for acknowledgements instead."""

PAUSE = 0.002
"""Seconds without a message after which a burst is over: the broker may wait for acknowledgements before it sends more."""
BURST = 16
"""Messages that make a burst; with fewer, a larger batch is worth a wait."""


Tls = Callable[[], ssl.SSLContext]
"""Makes the TLS context of the next connection, so that a renewed certificate needs no restart."""


def tls_context(settings: Settings) -> ssl.SSLContext:
    """Load the trusted CAs and the client certificate for mqtts://."""
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
    session: int  # number of the connection: an acknowledgement of an older one would hit another message's id


class NotConnected(ConnectionError):
    """The broker is unreachable."""


class _Connection(asyncio.Protocol):
    """One TCP connection: passes complete packets on."""

    def __init__(self, hello: bytes, receive: Callable[[packets.Packet], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._hello, self._receive = hello, receive
        self._rest = b""
        self._transport: asyncio.Transport
        self.received_at = self._loop.time()
        self.lost: asyncio.Future[Exception | None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._hello)

    def data_received(self, data: bytes) -> None:
        self.received_at = self._loop.time()
        try:
            complete, self._rest = packets.split(self._rest + data)
            for packet in complete:
                self._receive(packet)
        except (packets.Malformed, ValueError, IndexError):
            log.exception("mqtt_packet_malformed")
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(error)

    def write(self, data: bytes) -> None:
        if data and not self.lost.done():
            self._transport.write(data)

    async def keep_alive(self) -> None:
        """Send pings until the connection is lost."""
        while not (await asyncio.wait((self.lost,), timeout=KEEPALIVE / 2))[0]:
            if self._loop.time() - self.received_at > KEEPALIVE * 1.5:
                self._transport.abort()
            self.write(packets.PING)

    async def close(self) -> None:
        """Close after the buffered bytes are sent."""
        if self.lost.done():
            return
        self.write(packets.DISCONNECT)
        self._transport.close()
        if not (await asyncio.wait((self.lost,), timeout=CLOSE_TIMEOUT))[0]:
            self._transport.abort()


class _Inbox:
    """Messages of one connection that are not acknowledged: waiting for a reader, or being processed."""

    def __init__(self) -> None:
        self.waiting: deque[Message] = deque()
        self._in_hand: deque[int] = deque()  # packet ids at QoS 1, in order of arrival
        self._done: set[int] = set()  # of these, those to be acknowledged after earlier ones
        self._window = 0
        self._best_effort = 0  # of those waiting, at QoS 0

    def __len__(self) -> int:
        return len(self.waiting) + len(self._in_hand)

    def add(self, message: Message) -> bool:
        """Keep a message for a reader; False when it is dropped, which QoS 0 allows."""
        if not message.qos:
            if self._best_effort >= MAX_BEST_EFFORT:
                return False
            self._best_effort += 1
        self.waiting.append(message)
        self._window = max(self._window, len(self))
        return True

    def is_full(self) -> bool:
        """Whether as many are unacknowledged as ever were: a burst, of which the broker sends no more now, as far as seen."""
        return len(self.waiting) >= BURST and len(self) >= self._window

    def take(self, limit: int) -> list[Message]:
        messages = [self.waiting.popleft() for _ in range(min(limit, len(self.waiting)))]
        acknowledged = [each.mid for each in messages if each.qos]
        self._in_hand.extend(acknowledged)
        self._best_effort -= len(messages) - len(acknowledged)
        return messages

    def done(self, mids: Sequence[int]) -> list[int]:
        """Mark as done; returns what can be acknowledged now, in order of arrival."""
        self._done.update(mids)
        ready = []
        while self._in_hand and self._in_hand[0] in self._done:
            mid = self._in_hand.popleft()
            self._done.discard(mid)
            ready.append(mid)
        return ready


class Mqtt:
    """A client that reconnects by itself. Use `connect` below, which closes it."""

    def __init__(
        self,
        url: str,
        client_id: str,
        filters: Sequence[str] = (),
        *,
        tls: Tls | None = None,
        leaving: bool = False,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._address = address = urlsplit(url)
        self._tls = (tls or ssl.create_default_context) if address.scheme == "mqtts" else None
        if self._tls:
            self._tls()  # raises here if a file is missing
        user = None if address.username is None else unquote(address.username)
        password = unquote(address.password or "")
        self._hello = packets.connect(client_id, user, password, clean=not filters, keepalive=KEEPALIVE)
        self._filters = filters
        self._leaving = leaving  # unsubscribe instead: the broker sends what it holds and adds nothing
        self._inbox = _Inbox()
        self._arrived = asyncio.Event()  # set while messages wait
        self._ids = itertools.cycle(range(1, 65_536))
        self._room = asyncio.Semaphore(MAX_INFLIGHT)
        self._sent: dict[int, tuple[bytes, asyncio.Future[None]]] = {}  # requests without an answer, by packet id
        self.session = 0
        """Number of the connection; with another one, the broker may have lost its retained messages."""
        self.resumed = False
        """Whether the broker had a session of this client id, with the messages in it."""
        self.refused: list[str] = []
        """Filters of which the broker refuses the subscription."""
        self.connected = asyncio.Event()
        """Set while the broker accepts the connection and, with filters, all subscriptions."""
        self._takeover = takeover.Takeover(client_id)
        self._connection: _Connection | None = None
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._running = self._loop.create_task(self._run())

    async def stop(self) -> None:
        running, self._running = self._running, None
        if running:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        self.connected.clear()

    # --- the connection ---

    async def _run(self) -> None:
        least, most = RECONNECT
        backoff = least
        while True:
            before = self.session
            try:
                await self._connect()
            except OSError as error:  # TimeoutError and TLS errors too
                log.debug("mqtt_unreachable", error=repr(error))
                self._takeover.unreachable()
            backoff = least if self.session > before else min(backoff * 2, most)
            await asyncio.sleep(backoff * random.uniform(0.8, 1.2))

    async def _connect(self) -> None:
        """Connect, and return when the connection is lost."""
        host, port = self._address.hostname or "localhost", self._address.port or (8883 if self._tls else 1883)
        async with asyncio.timeout(CONNECT_TIMEOUT):
            tls = self._tls and self._tls()
            transport, connection = await self._loop.create_connection(self._open, host, port, ssl=tls)
        if certificate := transport.get_extra_info("peercert"):
            metrics.BROKER_CERTIFICATE_EXPIRES.set(ssl.cert_time_to_seconds(certificate["notAfter"]))
        try:
            await connection.keep_alive()
        finally:
            await connection.close()
            self.connected.clear()
            self._connection = None
        log.info("mqtt_disconnected", reason=repr(connection.lost.result()))
        if cause := self._takeover.ended():
            log.warning(cause)

    def _open(self) -> _Connection:
        self._connection = _Connection(self._hello, self._receive)
        return self._connection

    def _write(self, data: bytes) -> None:
        if self._connection:
            self._connection.write(data)

    def _receive(self, packet: packets.Packet) -> None:
        match packet[0] & 0xF0:
            case packets.PUBLISH:
                if self._inbox.add(Message(*packets.message(packet), self.session)):
                    self._arrived.set()
                else:
                    metrics.MQTT_DROPPED.inc()
            case packets.PUBACK:
                self._answer(packet)
            case packets.CONNACK:
                self._accepted(*packet[1])
            case packets.SUBACK:
                self._subscribed(packet[1][2:])
            case packets.UNSUBACK:
                self.connected.set()
                self._answer(packet)

    def _accepted(self, resumed: int, refused: int) -> None:
        if refused:
            log.error("mqtt_connection_refused", code=refused)
            return  # the broker closes it
        self._takeover.connected()
        self.session += 1
        self.resumed = bool(resumed)
        self._inbox = _Inbox()  # what an earlier connection brought is sent again
        self._arrived.clear()
        if self._filters:
            self._subscribe(self.session)
        else:
            self.connected.set()
        for request_sent, _ in self._sent.values():
            self._write(packets.repeated(request_sent))

    def _subscribe(self, session: int) -> None:
        if session == self.session:
            request = packets.unsubscribe if self._leaving else packets.subscribe
            self._write(request(self._filters, self._free_id()))

    def _subscribed(self, codes: bytes) -> None:
        self.refused = [each for each, code in zip(self._filters, codes, strict=False) if code == 0x80]
        if self.refused:
            log.error("mqtt_subscription_refused", filters=self.refused)
            self._loop.call_later(RESUBSCRIBE, self._subscribe, self.session)
        else:
            self.connected.set()

    # --- requests ---

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False, timeout: float = 10) -> None:
        """Publish at QoS 1 and wait for the broker's PUBACK. NotConnected or TimeoutError when that fails."""
        if not self.connected.is_set():
            raise NotConnected("the MQTT broker is unreachable")
        await self._request(lambda free: packets.publish(topic, payload, free, retain=retain), timeout)

    async def round_trip(self, timeout: float = 30) -> None:
        """Unsubscribe (again) and wait for the answer: messages that the broker sent before it have arrived by then."""
        await self._request(lambda free: packets.unsubscribe(self._filters, free), timeout)

    async def _request(self, packet: Callable[[int], bytes], timeout: float) -> None:
        async with asyncio.timeout(timeout), self._room:
            packet_id, answer = self._free_id(), self._loop.create_future()
            self._sent[packet_id] = packet(packet_id), answer
            self._write(self._sent[packet_id][0])
            try:
                await answer
            finally:
                self._sent.pop(packet_id, None)

    def _answer(self, packet: packets.Packet) -> None:
        _, answer = self._sent.pop(packets.packet_id(packet), (b"", None))
        if answer and not answer.done():
            answer.set_result(None)

    def _free_id(self) -> int:
        return next(each for each in self._ids if each not in self._sent)

    # --- messages ---

    async def batch(self, limit: int = 500, linger: float = 0.05, readers: int = 1) -> list[Message]:
        """Return the next messages: at least one, up to `limit`, gathered for up to `linger` seconds after the first.

        Several `readers` at once share what the broker sends ahead of acknowledgements: rumqttd and AWS IoT Core send 100.
        """
        while True:
            await self._arrived.wait()
            await self._gather(limit, linger)
            share = max(BURST, math.ceil(len(self._inbox) / readers)) if readers > 1 else limit
            messages = self._inbox.take(min(limit, share))
            if not self._inbox.waiting:
                self._arrived.clear()
            if messages:
                return messages

    async def _gather(self, limit: int, linger: float) -> None:
        """Wait for more messages: until `limit`, the end of a burst, or the time."""
        end, before = self._loop.time() + linger, 0
        while (count := len(self._inbox.waiting)) < limit and self._loop.time() < end:
            if self._inbox.is_full() or count == before >= BURST:
                break
            before = count
            await asyncio.sleep(0 if count >= BURST else PAUSE)

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Send the PUBACKs, after the commit. Those of an earlier connection are left out: the broker resends them.

        They are sent in the order of arrival, as MQTT requires (rumqttd closes the connection otherwise): one waits for
        those before it.
        """
        mids = [each.mid for each in messages if each.qos and each.session == self.session]
        if ready := self._inbox.done(mids):
            # Two writes: on each, rumqttd sends as many messages as the acknowledgements of the writes before it allow.
            self._write(packets.pubacks(ready[:-1]))
            self._write(packets.pubacks(ready[-1:]))


@asynccontextmanager
async def connect(
    url: str, client_id: str, filters: Sequence[str] = (), *, tls: Tls | None = None, leaving: bool = False
) -> AsyncIterator[Mqtt]:
    """Open a connection that reconnects by itself. With filters, the session is persistent: `client_id` must be stable."""
    client = Mqtt(url, client_id, filters, tls=tls, leaving=leaving)
    client.start()
    try:
        yield client
    finally:
        await client.stop()
