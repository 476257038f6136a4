"""What follows from a transaction leaves with it: rows written by the caller's session, sent by the relay after the commit.

A row that its queue refuses again and again becomes a dead letter, so that it does not delay those behind it.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import String, all_, bindparam, delete, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from strop import crash, db, letter_rows, loops, sqs, traces
from strop_contracts import events, tables, topology

log = structlog.get_logger()

CLAIM = 200
"""Rows a relay takes at a time: enough to fill many batches, few enough that a second relay finds work too."""

REST = 30.0
"""Most seconds that a queue in trouble is left alone."""

REFUSALS = 3
"""So often a queue may refuse a row, while it accepts requests, until the row becomes a dead letter."""

SEND = 30.0
"""Most seconds that a queue has to take the rows of a relay, which keeps them locked meanwhile."""


async def add(session: AsyncSession, *happened: events.Event) -> None:
    """Write the events for every consumer's queue. Never commits: the caller's transaction decides."""
    rows = [(queue, body(event)) for event in happened for queue in topology.ROUTES[type(event)]]
    await db.insert_many(session, tables.Outbox, [{"queue": queue, "body": body} for queue, body in rows])


def body(event: events.Event) -> str:
    """Write an event as queues carry it, for a statement that fills the outbox itself."""
    return traces.stamped(event).dumps()


async def bury(session: AsyncSession, service: str, letters: Iterable[tuple[str, str]]) -> None:
    """Write (body, reason) pairs for the service's dead-letter queue: for input that did not come through SQS."""
    queue = topology.dead_letter(service)
    rows = [{"queue": queue, "body": body, "reason": sqs.printable(reason)} for body, reason in letters]
    await db.insert_many(session, tables.Outbox, rows)


class Trouble:
    """Queues that did not take what was sent: each is left alone for a while that doubles, and the others go on meanwhile."""

    def __init__(self) -> None:
        self._rest: dict[str, tuple[float, float]] = {}  # until when, and how long that was

    def resting(self) -> list[str]:
        now = time.monotonic()
        return sorted(queue for queue, (until, _) in self._rest.items() if until > now)

    def note(self, queue: str, *, failed: bool) -> None:
        _, before = self._rest.pop(queue, (0.0, 0.0))
        if failed:
            pause = min(REST, before * 2 or 1.0)
            self._rest[queue] = time.monotonic() + pause, pause


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of the rows for one queue. Those that may be accepted later are in neither."""

    accepted: Sequence[tables.Outbox] = ()
    refused: Sequence[tuple[tables.Outbox, str]] = ()  # with the queue's reason


async def relay_once(make: db.Sessions, queues: sqs.Queues, trouble: Trouble | None = None) -> int:
    """Send what waits and delete it; returns the number of rows that left the outbox.

    A crash between the two sends again, and inboxes absorb it.
    """
    trouble = trouble or Trouble()
    async with make.begin() as session:
        rows = (await session.scalars(_WAITING, {"resting": trouble.resting(), "most": CLAIM})).all()
        by_queue: dict[str, list[tables.Outbox]] = {}
        for row in rows:
            by_queue.setdefault(row.queue, []).append(row)
        answers = await asyncio.gather(*(_send(queues, queue, waiting) for queue, waiting in by_queue.items()))
        for queue, answer in zip(by_queue, answers, strict=True):
            trouble.note(queue, failed=not (answer.accepted or answer.refused))
        done = [row.id for answer in answers for row in answer.accepted]
        if done:
            crash.point("relay:sent")
        done += await _refused(session, [each for answer in answers for each in answer.refused])
        await session.execute(delete(tables.Outbox).where(tables.Outbox.id.in_(done)))
    return len(done)


_WAITING = (
    select(tables.Outbox)
    .where(tables.Outbox.queue != all_(bindparam("resting", type_=ARRAY(String))))
    .order_by(tables.Outbox.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)


async def _send(queues: sqs.Queues, queue: str, rows: Sequence[tables.Outbox]) -> Sent:
    """Send rows to a queue. One that it refuses does not hold up the others, nor does a queue."""
    try:
        async with asyncio.timeout(SEND):
            failed = await queues.send(queue, [sqs.Outgoing(row.body, row.reason) for row in rows])
    except Exception:
        log.exception("outbox_send_failed", queue=queue, rows=len(rows))
        return Sent()
    accepted = [row for index, row in enumerate(rows) if index not in failed]
    traces.sent(queue, ((row.body, row.at) for row in accepted if row.reason is None))
    return Sent(accepted, [(rows[index], each.reason) for index, each in failed.items() if each.permanent])


async def _refused(session: AsyncSession, refused: Sequence[tuple[tables.Outbox, str]]) -> list[int]:
    """Count the refusals; rows that were refused REFUSALS times become dead letters, and their ids are returned."""
    given_up = []
    for row, reason in refused:
        row.refusals += 1
        log.error("outbox_row_refused", queue=row.queue, row=row.id, refusals=row.refusals, reason=reason)
        if row.refusals >= REFUSALS:
            why = f"{row.reason}; " if row.reason else ""
            await letter_rows.write(
                session, topology.service(row.queue), row.body, f"{why}refused by the queue: {reason}"
            )
            given_up.append(row.id)
    await session.flush()
    return given_up


async def relay(make: db.Sessions, queues: sqs.Queues, stop: asyncio.Event, idle: float = 0.1) -> None:
    """Send until `stop`; check again after `idle` seconds, unless many are waiting.

    So what happens within one pause leaves together: fewer and fuller batches for the queue and for who reads it.
    """
    trouble = Trouble()
    while not stop.is_set():
        try:
            sent = await relay_once(make, queues, trouble)
            if sent == CLAIM:
                continue
            # While much waits for a queue in trouble, looking past it takes a while each time.
            pause = idle if sent or not trouble.resting() else 1.0
        except Exception:
            log.exception("relay_failed")
            pause = 1.0
        await loops.pause(pause, stop)
