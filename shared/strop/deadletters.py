"""Dead letters: each service reads its dead-letter queue into rows, and operators retry or drop them.

A letter is identified by its body: the same message that fails again is the same row, open again, with its count one higher.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Uuid, any_, delete, func, insert, literal, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from strop import crash, db, inbox, letter_rows, loops, metrics, sqs
from strop_contracts import errors, states, tables, topology

log = structlog.get_logger()

KEEP = timedelta(days=90)
"""How long a letter stays after its last failure once it is retried or dropped. An open one stays until it is decided."""


async def read(make: db.Sessions, queues: sqs.Queues, service: str, stop: asyncio.Event) -> None:
    """Turn the service's dead letters into rows until `stop`, and keep the number of open ones in the metrics."""
    while not stop.is_set():
        try:
            await _gauge(make, service)
            received = await queues.receive_until(stop, topology.dead_letter(service))
            await asyncio.shield(take(make, queues, service, received))
        except Exception:
            log.exception("dead_letter_read_failed", service=service)
            await loops.pause(1, stop)


async def take(make: db.Sessions, queues: sqs.Queues, service: str, received: Sequence[sqs.Incoming]) -> None:
    """Write the letters down in one transaction, and only then delete them from the queue."""
    if not received:
        return
    async with make.begin() as session:
        # In one order of rows, so that two readers never wait for each other.
        for letter in sorted(received, key=lambda each: (each.body, each.id)):
            await _write(session, service, letter)
    crash.point("letters:written")
    await queues.delete(topology.dead_letter(service), [letter.receipt for letter in received])


async def _write(session: AsyncSession, service: str, letter: sqs.Incoming) -> None:
    """Write one letter down, once per message of the queue: a crash before the deletion brings the same message again."""
    if not await inbox.claim(session, topology.dead_letter(service), letter.id):
        return
    reason = letter.reason or f"gave up after {topology.MAX_RECEIVES} tries; the service's log says why each failed"
    await letter_rows.write(session, service, letter.body, reason)


async def prune(make: db.Sessions) -> None:
    """Delete letters that were decided long ago."""
    table = tables.DeadLetter
    old = table.last_at < func.now() - KEEP
    async with make.begin() as session:
        await session.execute(delete(table).where(table.state != states.LetterState.OPEN, old))


async def _gauge(make: db.Sessions, service: str) -> None:
    async with make() as session:
        metrics.DEAD_LETTERS.labels(service).set((await count_open(session)).get(service, 0))


# --- what people decide; the caller commits ---


async def count_open(session: AsyncSession) -> dict[str, int]:
    """How many letters are open, by service; a service without any is left out."""
    table = tables.DeadLetter
    counted = (
        select(table.service, func.count().label("open"))
        .where(table.state == states.LetterState.OPEN)
        .group_by(table.service)
    )
    return {row.service: row.open for row in await session.execute(counted)}


@dataclass(frozen=True, slots=True)
class Group:
    """Open letters of one service with the same reason."""

    service: str
    reason: str
    letters: int
    last_at: datetime


async def groups(session: AsyncSession, service: str | None, limit: int) -> list[Group]:
    """Open letters, of one service or of all, by service and reason; the largest groups first."""
    table, count = tables.DeadLetter, func.count()
    counted = select(table.service, table.reason, count, func.max(table.last_at)).where(*_open(None, service))
    largest = counted.group_by(table.service, table.reason).order_by(count.desc(), func.max(table.last_at).desc())
    return [Group(*row) for row in await session.execute(largest.limit(limit))]


async def list_open(
    session: AsyncSession, service: str | None, limit: int, reason: str | None = None
) -> Sequence[tables.DeadLetter]:
    """Open letters, of one service or of all, with one reason or with any, the latest first."""
    wanted = _open(None, service, reason=reason)
    newest = select(tables.DeadLetter).where(*wanted).order_by(tables.DeadLetter.last_at.desc())
    return (await session.scalars(newest.limit(limit))).all()


async def get(session: AsyncSession, letter: UUID) -> tables.DeadLetter:
    """One letter, whatever its state; NotFound when there is none."""
    found = await session.get(tables.DeadLetter, letter)
    if found is None:
        raise errors.NotFound(f"there is no dead letter {letter}")
    return found


async def lock(session: AsyncSession, letters: Collection[UUID]) -> dict[UUID, str]:
    """The states of letters, which stay so until the transaction ends; unknown ones are left out."""
    table = tables.DeadLetter
    named = table.id == any_(literal(list(letters), postgresql.ARRAY(Uuid)))
    found = await session.execute(select(table.id, table.state).where(named).order_by(table.id).with_for_update())
    return {row.id: row.state for row in found}


async def retry(
    session: AsyncSession,
    letters: Collection[UUID] | None,
    service: str | None = None,
    until: datetime | None = None,
    reason: str | None = None,
) -> int:
    """Send letters to the queues they came from; returns how many. None: all open ones, of one service or of all, with
    one reason or with any, that came `until` then.

    Marked and put into the outbox in one transaction, without leaving the database: a crash neither loses nor doubles one.
    """
    table = tables.DeadLetter
    marked = (
        update(table)
        .where(*_open(letters, service, until, reason))
        .values(state=states.LetterState.RETRIED)
        .returning(table.service, table.body)
        .cte("marked")
    )
    sent = insert(tables.Outbox).from_select(["queue", "body"], select(marked.c.service, marked.c.body))
    return len((await session.execute(sent.returning(tables.Outbox.id))).all())


async def drop(
    session: AsyncSession,
    letters: Collection[UUID] | None,
    service: str | None = None,
    until: datetime | None = None,
    reason: str | None = None,
) -> int:
    """Give letters up for good, chosen as for `retry`; the rows stay. Returns how many."""
    dropped = (
        update(tables.DeadLetter)
        .where(*_open(letters, service, until, reason))
        .values(state=states.LetterState.DROPPED)
    )
    return len((await session.execute(dropped.returning(tables.DeadLetter.id))).all())


Decide = Callable[[AsyncSession, Collection[UUID] | None, str | None], Awaitable[int]]
"""`retry` or `drop`."""


def pretty(body: str) -> str:
    """A message as people read it: JSON on lines of its own, also within a device's message; anything else as it is."""
    try:
        message = json.loads(body)
        if isinstance(message, dict) and "topic" in message:
            with suppress(ValueError, TypeError, KeyError):
                message["payload"] = json.loads(message["payload"])
        return letter_rows.storable(json.dumps(message, indent=2, ensure_ascii=False))  # an escape may be no character
    except (ValueError, RecursionError):
        return body


def _open(
    letters: Collection[UUID] | None, service: str | None, until: datetime | None = None, reason: str | None = None
) -> list[ColumnElement[bool]]:
    table = tables.DeadLetter
    wanted = [table.state == states.LetterState.OPEN]
    if letters is not None:
        wanted.append(table.id == any_(literal(list(letters), postgresql.ARRAY(Uuid))))
    if service is not None:
        wanted.append(table.service == service)
    if until is not None:
        wanted.append(table.last_at <= until)
    if reason is not None:
        wanted.append(table.reason == reason)
    return wanted
