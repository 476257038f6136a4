"""Which MQTT session each replica of ingest has, and what becomes of the sessions of replicas that are gone.

The broker keeps a session, with a queue and a part of the shared subscription, for every client id. So client ids must be few
and used again, whatever the name of a container. A replica takes the lowest free number under an advisory lock of Postgres,
which ends with its connection, and receives only while it holds the lock. The session of a number that no replica holds
continues to gather its part: a replica consumes what is queued there and ends it. See docs/decisions/0009.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from typing import Protocol

import asyncpg
import structlog
from sqlalchemy import BigInteger, String, column, func, literal, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import receiver
from strop import db, loops, mqtt

log = structlog.get_logger()

LIMIT = 8
"""Most replicas at once."""
CHECK = 1.0
"""Seconds between two checks of the lock, and between two attempts to take a number."""
CHECK_TIMEOUT = 10.0
SCAN = 5.0
"""Seconds between two scans for sessions without a replica."""
GRACE = 10.0
"""Seconds for which a number must be free before its session is ended. A restart of the database frees the numbers of replicas that
run; each takes one again within about 2 s. Its session must not be unsubscribed meanwhile: the broker would drop messages."""
RECHECK = 60.0
"""Seconds after which a session that was ended is checked again. A replica may have had the number between two scans."""
QUIET = 2.0
"""An unsubscribed session is empty if no message arrives for so many seconds although the broker answers."""

UNREACHABLE = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
"""What an unreachable database or broker raises; TimeoutError is an OSError."""

_HELD = text(
    "select (classid::bigint << 32) | objid::bigint from pg_locks where locktype = 'advisory' and objsubid = 1 "
    "and database = (select oid from pg_database where datname = current_database())"
).columns(column("key", BigInteger))
"""Keys of the advisory locks of one bigint that are held in this database, as PostgreSQL shows them in pg_locks."""

Receive = Callable[[str, asyncio.Event], Awaitable[None]]


class Connect(Protocol):
    """Opens a connection to the broker with the filters of ingest, as `mqtt.connect` does."""

    def __call__(
        self, client_id: str, *, filters: Sequence[str] = ..., leaving: bool = ...
    ) -> AbstractAsyncContextManager[mqtt.Mqtt]: ...


class Replicas:
    """The sessions of all replicas, as one of them sees them."""

    def __init__(self, sessions: db.Sessions, base: str, connect: Connect, received: receiver.Receiver) -> None:
        """`base`: the client id of the first replica; the others append their number."""
        self._sessions, self._connect, self._receiver = sessions, connect, received
        self._client_ids = [base, *(f"{base}-{number}" for number in range(1, LIMIT))]
        self._due: dict[str, float] = {}  # when each free session is ended next, monotonic seconds

    async def run(self, receive: Receive, stop: asyncio.Event) -> None:
        """Receive under a number until `stop` is set. When the lock is lost, receiving ends and a number is taken anew."""
        while not stop.is_set():
            async with AsyncExitStack() as stack:
                with suppress(*UNREACHABLE):
                    for client_id in self._client_ids:
                        if lock := await stack.enter_async_context(db.hold(self._sessions, client_id)):
                            await self._work(client_id, lock, receive, stop)
                            break
            await loops.pause(CHECK, stop)

    async def _work(self, client_id: str, lock: AsyncSession, receive: Receive, stop: asyncio.Event) -> None:
        log.info("replica_number_taken", client_id=client_id)
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(_watch(client_id, lock, stop, over))
            ending = group.create_task(self._end_free_sessions())
            await receive(client_id, over)
            ending.cancel()  # what it did not acknowledge stays in the session

    async def _end_free_sessions(self) -> None:
        while True:
            try:
                await self.scan()
            except UNREACHABLE as error:
                log.warning("session_not_ended", error=repr(error))
            await asyncio.sleep(SCAN)

    async def scan(self) -> None:
        """Consume and end the sessions whose number is free for longer than GRACE, unless that was done less than RECHECK ago."""
        now = time.monotonic()
        self._due = {client_id: self._due.get(client_id, now + GRACE) for client_id in await self._free()}
        for client_id in [each for each, due in self._due.items() if due <= now]:
            async with db.hold(self._sessions, client_id) as lock:
                if lock:
                    await self._end(client_id)
                    self._due[client_id] = time.monotonic() + RECHECK

    async def _free(self) -> set[str]:
        """Return the client ids whose lock is not held. It takes none itself, so a replica that starts meanwhile finds them free."""
        client_ids = literal(self._client_ids, postgresql.ARRAY(String))
        listed = func.unnest(client_ids).table_valued("id").render_derived()
        free = select(listed.c.id).where(db.lock_key(listed.c.id).not_in(_HELD))
        async with self._sessions.begin() as session:
            return set(await session.scalars(free))

    async def _end(self, client_id: str) -> None:
        """Consume what a session holds, then end it."""
        async with self._connect(client_id, leaving=True) as connection:
            async with asyncio.timeout(mqtt.CONNECT_TIMEOUT):
                await connection.connected.wait()
            if connection.resumed:
                count = await self._drain(connection)
                if connection.session != 1 or not connection.connected.is_set():
                    raise mqtt.NotConnected(f"the connection was lost, so {client_id} may not be empty")
                log.info("session_drained", client_id=client_id, messages=count)
        async with self._connect(client_id, filters=()) as clean:  # without filters: ends the session
            async with asyncio.timeout(mqtt.CONNECT_TIMEOUT):
                await clean.connected.wait()

    async def _drain(self, connection: mqtt.Mqtt) -> int:
        """Consume until the session is empty; returns the number of messages."""
        count = quiet = 0
        while quiet < 2:
            try:
                async with asyncio.timeout(QUIET):
                    batch = await connection.batch()
            except TimeoutError:
                quiet += 1
                await connection.round_trip()  # a broker that saves its state is quiet too, and answers afterwards
            else:
                connection.acknowledge(await self._receiver.receive(batch, asyncio.Event()))
                count, quiet = count + len(batch), 0
        return count


async def _watch(client_id: str, lock: AsyncSession, stop: asyncio.Event, over: asyncio.Event) -> None:
    """Set `over` when `stop` is set or the connection that holds the lock is lost."""
    try:
        while not stop.is_set():
            async with asyncio.timeout(CHECK_TIMEOUT):
                await lock.execute(select(1))
            await loops.pause(CHECK, stop)
    except UNREACHABLE as error:
        log.warning("replica_number_lost", client_id=client_id, error=repr(error))
    finally:
        over.set()
