"""Emits the events of states that wait too long: the queue, or a restored database, has lost the first one.

A row older than the limit gets its event again, at 1, 2, 4, 8 … times the limit, each once however often the reconciler runs:
the inbox has a claim for each. Consumers must be idempotent, because the first event may not be lost at all.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy import Integer, Row, Select, String, cast, exists, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from strop import db, inbox, loops, metrics, outbox, sqs
from strop_contracts import events, tables, topology, waits

log = structlog.get_logger()

MOST = 1000
"""Events of one kind that are emitted in one round."""

BACKLOG = 1000
"""Number of messages in a queue from which on nothing is emitted for it: the events are probably among them."""

UNSENT = 60.0
"""Age in seconds of an outbox row for a queue from which on nothing is emitted for it: the queue is unreachable."""

SLOW = 24
"""What is slow counts as stuck this many times as late as other kinds."""

SHARE = 20
"""A pause is at least this many times as long as the round before it, so that reading large tables takes a small share."""


class Reconciler:
    """Reconciles the waits of one service. Of several copies one works at a time, and shows the gauge."""

    def __init__(self, make: db.Sessions, queues: sqs.Queues, service: str, after: float) -> None:
        """`after`: the limit in seconds."""
        self._make = make
        self._queues = queues
        self._service = service
        self._after = after
        self._waits = waits.BY_SERVICE.get(service, ())

    async def run(self, stop: asyncio.Event) -> None:
        """Run rounds until `stop` is set, ten within the limit."""
        while self._waits and not stop.is_set():
            began = time.monotonic()
            for wait in self._waits:
                with loops.isolated(service=self._service, wait=wait.kind):
                    await self.reconcile(wait)
            await loops.pause(max(self._after / 10, SHARE * (time.monotonic() - began)), stop)

    async def reconcile(self, wait: waits.Wait) -> int:
        """Emit the events that are due, in a transaction of their own; returns their number."""
        busy = await self._busy(wait)
        async with db.tick(self._make, f"{self._service}: reconcile {wait.kind}") as session:
            if session is None:
                self._show(wait, None)
                return 0
            age = await oldest(session, wait)
            self._show(wait, age)
            if busy or age < self._after or await _unsent(session, wait):
                return 0
            due = await self._claim(session, wait)
            await outbox.add(session, *due)
        if due:
            metrics.EVENTS_REPEATED.labels(self._service, wait.event.__name__).inc(len(due))
            log.warning("events_repeated", service=self._service, wait=wait.kind, events=len(due), oldest=round(age))
        return len(due)

    async def _busy(self, wait: waits.Wait) -> bool:
        """Whether a queue of the event has a backlog."""
        depths = [await self._queues.depth(queue) for queue in topology.ROUTES[wait.event]]
        return max(depths) >= BACKLOG

    async def _claim(self, session: AsyncSession, wait: waits.Wait) -> list[events.Event]:
        """Return the events that are due, and claim them at their present age."""
        consumer = f"{self._service}: reconciler"
        rows = (await session.execute(_due(wait, consumer, self._after))).all()
        claimed = await inbox.claim_all(session, consumer, [row.claim for row in rows])
        return [_event(wait, row) for row in rows if row.claim in claimed]

    def _show(self, wait: waits.Wait, age: float | None) -> None:
        labels = self._service, wait.kind
        if age is None:  # another copy shows it
            metrics.WAITING_OLDEST_SECONDS.remove(*labels)
        else:
            metrics.WAITING_OLDEST_SECONDS.labels(*labels).set(age)


async def oldest(session: AsyncSession, wait: waits.Wait) -> float:
    """Return for how many seconds the oldest row has waited; 0 without any."""
    rows = wait.rows.subquery("waiting")
    age = func.extract("epoch", func.now() - func.min(rows.c.since))
    return float(await session.scalar(select(age)) or 0)


async def _unsent(session: AsyncSession, wait: waits.Wait) -> bool:
    """Whether events for one of the queues are not even sent yet."""
    table = tables.Outbox
    old = table.at < func.now() - func.make_interval(0, 0, 0, 0, 0, 0, UNSENT)
    found = exists().where(table.queue.in_(topology.ROUTES[wait.event]), table.refusals == 0, old)
    return bool(await session.scalar(select(found)))


def _due(wait: waits.Wait, consumer: str, after: float) -> Select[Any]:
    """Select the rows beyond the limit that were not emitted at their present age, each with the key of that claim."""
    rows = wait.rows.subquery("waiting")
    fields = [column for column in rows.c if column.name != "since"]
    times = func.extract("epoch", func.now() - rows.c.since) / after
    number = cast(func.floor(func.ln(func.greatest(times, 1)) / func.ln(2)), Integer)
    row = func.md5(func.concat_ws("/", *(cast(each, String) for each in fields)))
    claim = func.concat(literal(f"{wait.kind} ", String), row, " ", number)
    inbox_table = tables.Inbox
    known = exists().where(inbox_table.consumer == consumer, inbox_table.event_id == claim)
    return select(claim.label("claim"), *fields).where(times >= 1, ~known).order_by(rows.c.since).limit(MOST)


def _event(wait: waits.Wait, row: Row[Any]) -> events.Event:
    fields = row._asdict()
    del fields["claim"]
    return wait.event.model_validate(fields)


async def stuck(session: AsyncSession, kinds: Sequence[waits.Wait], project: str, after: float) -> list[str]:
    """Describe, by kind, how many rows of a project have waited for longer than `after` seconds; SLOW times that for slow ones."""
    named = []
    for wait in kinds:
        rows = wait.rows.subquery("waiting")
        age = func.extract("epoch", func.now() - rows.c.since)
        counted = select(func.count(), func.max(age)).where(
            rows.c.project == project, age > after * (SLOW if wait.slow else 1)
        )
        number, longest = (await session.execute(counted)).one()
        if number:
            named.append(f"{wait.kind}: {number:,}, the oldest for {round(longest / 60):,} minutes")
    return named
