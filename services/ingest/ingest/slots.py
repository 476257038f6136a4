"""Which of several copies of ingest this one is.

The broker keeps a session, with a queue and a part of the shared subscription, for every client id. So ids must be few and
come back, whatever a container is called: a copy takes the lowest number that is free, under an advisory lock of Postgres
that ends with its connection. A number that nobody holds any more (a crash, fewer copies than before) has a session that
goes on gathering its part: the others take in what lies there and end it.
"""

import asyncio
import ssl
from contextlib import suppress

import asyncpg
import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import announcements, answers
from strop import db, loops, mqtt
from strop.settings import Settings

log = structlog.get_logger()

LIMIT = 8
"""Most copies at once."""
TRIES = 3
"""Times that a lock is asked for, a second apart, before it counts as another copy's."""
LOOK = 5.0
"""Seconds between two looks at who holds which number."""
QUIET = 2.0
"""A session that nobody adds to is empty when nothing has come for so many seconds, though the broker answers."""

AWAY = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
"""How it shows that the database is away."""


class Slot:
    """This copy's number."""

    def __init__(self, make: db.Sessions, base: str) -> None:
        self._make, self._base = make, base
        self._number = 0
        self._held: AsyncSession | None = None

    async def take(self, stop: asyncio.Event) -> str | None:
        """Wait for the lowest free number, and return the client id that it stands for; None when told to stop."""
        while not stop.is_set():
            with suppress(*AWAY):
                for number in range(LIMIT):
                    if held := await _lock(self._make, self.client_id(number)):
                        self._number, self._held = number, held
                        return self.client_id(number)
            await loops.pause(1, stop)
        return None

    async def keep(self, stop: asyncio.Event) -> None:
        """Take the lock again when the database has lost it; RuntimeError when another copy was quicker."""
        while not stop.is_set():
            await loops.pause(1, stop)
            with suppress(*AWAY):
                if held := self._held or await self._again(stop):
                    await self._check(held)

    async def _again(self, stop: asyncio.Event) -> AsyncSession | None:
        """Take the lock back. Others hold it for a moment when they look whose is free, so one refusal says nothing."""
        for _ in range(TRIES):
            self._held = await _lock(self._make, self.client_id(self._number))
            if self._held or stop.is_set():
                return self._held
            await loops.pause(1, stop)
        raise RuntimeError(f"another copy of ingest is {self.client_id(self._number)} now")

    async def _check(self, held: AsyncSession) -> None:
        try:
            await held.execute(select(1))
        except AWAY:
            self._held = None
            await held.invalidate()

    async def release(self) -> None:
        if self._held:
            await self._held.invalidate()

    def client_id(self, number: int) -> str:
        return f"{self._base}-{number}" if number else self._base

    def others(self) -> set[str]:
        return {self.client_id(number) for number in range(LIMIT)} - {self.client_id(self._number)}


class Heir:
    """Ends the sessions of copies that are gone, when it has taken in what lies there."""

    def __init__(self, make: db.Sessions, settings: Settings, tls: ssl.SSLContext, tell: answers.Answers) -> None:
        self._make, self._settings, self._tls, self._tell = make, settings, tls, tell
        self._free: set[str] = set()
        self._ended: set[str] = set()

    async def run(self, others: set[str], stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self.look(others, stop)
            except (*AWAY, TimeoutError, mqtt.NotConnected) as error:
                log.warning("cannot look after other copies, trying again", error=repr(error))
            await loops.pause(LOOK, stop)

    async def look(self, others: set[str], stop: asyncio.Event) -> None:
        """Take over those that were free at the last look as well: who only lost the database takes its own back first."""
        free = await self._free_of(others)
        for client_id in (free & self._free) - self._ended:
            await self._take_over(client_id, stop)
            self._ended.add(client_id)
        self._ended &= free
        self._free = free

    async def _free_of(self, others: set[str]) -> set[str]:
        """Those whose lock can be had; the locks of this look end with its transaction."""
        async with self._make.begin() as session:
            free = [
                each
                for each in others
                if await session.scalar(select(func.pg_try_advisory_xact_lock(db.lock_key(each))))
            ]
        return set(free)

    async def _take_over(self, client_id: str, stop: asyncio.Event) -> None:
        if not (held := await _lock(self._make, client_id)):
            return
        url, filters = self._settings.mqtt_url, announcements.filters(self._settings)
        try:
            async with mqtt.connect(url, client_id, filters, tls=self._tls, leaving=True) as left:
                await asyncio.wait_for(left.connected.wait(), 10)
                if left.resumed:
                    count = await self._drain(left, stop)
                    if left.session != 1 or not left.connected.is_set():
                        raise mqtt.NotConnected(f"the connection broke, so {client_id} may not be empty")
                    log.info("took over from a copy that is gone", client_id=client_id, messages=count)
            if not stop.is_set():
                async with mqtt.connect(url, client_id, tls=self._tls) as clean:  # without filters: ends the session
                    await asyncio.wait_for(clean.connected.wait(), 10)
        finally:
            await held.invalidate()

    async def _drain(self, left: mqtt.Mqtt, stop: asyncio.Event) -> int:
        taking, count, asked = announcements.Announcements(self._make, left, self._tell), 0, False
        while not stop.is_set():
            arriving = asyncio.ensure_future(left.batch())
            await asyncio.wait((arriving,), timeout=QUIET)
            if arriving.done():
                await taking.take(arriving.result(), stop)
                count, asked = count + len(arriving.result()), False
                continue
            arriving.cancel()
            if asked:
                break
            await left.round_trip()  # a broker that is busy saving is quiet too, and answers when it is done
            asked = True
        return count


async def _lock(make: db.Sessions, name: str) -> AsyncSession | None:
    """Open a connection that holds this name, or None when another one does. The lock ends with the connection."""
    session = make()
    try:
        await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})  # no transaction stays open
        if await session.scalar(select(func.pg_try_advisory_lock(db.lock_key(name)))):
            return session
    except BaseException:
        await session.invalidate()
        raise
    await session.close()
    return None
