"""One message, one transaction: claim the event, do the work, write the events that follow; then acknowledge.

A crash before the commit: SQS redelivers the message. After it: the inbox makes the redelivery a no-op. A handler decides
the outcome by raising: InvalidMessage (dead-letter queue, at once), RetryLater (redelivered after its delay), anything else
is redelivered with exponential backoff, and after MAX_RECEIVES it goes to the dead-letter queue with the last reason.

Frequent events are handled in batches, each in one transaction. A batch that fails is handled message by message, so that
one invalid message fails alone. After a crash every message that had been received comes back with the one that caused it; so
what was received several times is handled alone, after everything else is acknowledged. While a dependency of the handlers
is unreachable, messages stay in the queue.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from strop import crash, db, inbox, loops, metrics, sqs, traces
from strop_contracts import errors, events, topology

log = structlog.get_logger()

Kind = type[events.Event]


@dataclass(frozen=True, slots=True)
class Handlers:
    """A service's handlers, by the kind of event and by how they run.

    `one` and `batch` work in the consumer's transaction, which has claimed their events, and never commit. The long ones do
    I/O or outlast a transaction: they open their own, and must be idempotent, because a redelivery calls them again. A batch
    is handled as a whole or not at all; a long batch may raise PartialFailure to name the events that failed.
    """

    one: Mapping[Kind, Callable[[Any, AsyncSession], Awaitable[None]]] = field(default_factory=dict)
    batch: Mapping[Kind, Callable[[Sequence[Any], AsyncSession], Awaitable[None]]] = field(default_factory=dict)
    long: Mapping[Kind, Callable[[Any], Awaitable[None]]] = field(default_factory=dict)
    long_batch: Mapping[Kind, Callable[[Sequence[Any]], Awaitable[None]]] = field(default_factory=dict)


BATCH = 100
"""Most messages a consumer receives at a time when it has batch handlers."""

PROBE_EVERY = 1.0
"""Seconds between two probes of an unreachable dependency."""

CONCURRENCY = 10
"""Units of work side by side: each may hold a connection to the database."""

SUSPECT = 3
"""From this receive on a message is handled alone: it, or one beside it, may have ended a process before."""

LONGEST_DELAY = 300.0
"""Most seconds until a failed message is redelivered, before jitter: after 12 receives half an hour has passed."""

Taken = tuple[sqs.Incoming, events.Event]


class Consumer:
    """Reads one service's queue until the stop is set, and then finishes the messages in progress."""

    def __init__(
        self,
        service: str,
        make: db.Sessions,
        queues: sqs.Queues,
        handlers: Handlers,
        *,
        loads: Callable[[str], events.Event | None] = events.loads,
        needs: Callable[[], Awaitable[object]] | None = None,
        queue: str | None = None,
        wait: int = 20,
    ) -> None:
        """`queue` is the one to read, if not the service's own. `loads` reads a body; None from it acknowledges the message without work. `needs` raises while a dependency of the
        handlers other than the database is unreachable. `wait`: seconds of a long poll.
        """
        self.service = service
        self._queue = queue or service
        self._make = make
        self._queues = queues
        self._handlers = handlers
        self._batched = handlers.batch.keys() | handlers.long_batch.keys()
        self._loads = loads
        self._needs = needs
        self._wait = wait
        self._doubt = False  # whether a dependency of the handlers may be unreachable
        self._free = asyncio.Semaphore(CONCURRENCY)
        self._held: set[sqs.Incoming] = set()

    async def run(self, stop: asyncio.Event) -> None:
        limit = BATCH if self._batched else sqs.BATCH
        while not stop.is_set():
            try:
                messages = await self._queues.receive_until(stop, self._queue, self._wait, limit)
                if messages:
                    await asyncio.shield(self.take(messages))
                while self._doubt and not stop.is_set():
                    await self._probe(stop)
            except Exception:
                log.exception("receive_failed", queue=self._queue)
                await loops.pause(1, stop)

    async def _probe(self, stop: asyncio.Event) -> None:
        """Leave messages in the queue while a dependency is unreachable: each receive counts towards the dead-letter queue."""
        try:
            async with self._make() as session:
                await session.execute(select(1))
            if self._needs:
                await self._needs()
            self._doubt = False
        except Exception as error:  # noqa: BLE001 - any error means that it is unreachable
            log.warning("dependency_unreachable", service=self.service, error=repr(error))
            await loops.pause(PROBE_EVERY, stop)

    async def take(self, messages: Sequence[sqs.Incoming]) -> None:
        """Handle messages side by side or in batches, then those that are suspect, one after the other."""
        suspects = [message for message in messages if message.receives >= SUSPECT]
        with structlog.contextvars.bound_contextvars(service=self.service):
            async with self._hidden(messages):
                await self._take([message for message in messages if message.receives < SUSPECT])
                await self._take_alone(suspects)

    async def _take_alone(self, suspects: Sequence[sqs.Incoming]) -> None:
        """Handle suspects, first those that were never handled alone: one of the others may have caused the crash.

        Each is claimed in the inbox before it is handled. So after the next crash all others go first.
        """
        if not suspects:
            return
        consumer, left = f"{self._queue}: alone", list(suspects)
        try:
            async with self._make() as session:
                before = await inbox.claimed(session, consumer, [message.id for message in suspects])
            left.sort(key=lambda message: message.id in before, reverse=True)
            while left:
                async with self._make.begin() as session:
                    await inbox.claim(session, consumer, left[-1].id)
                await self._take([left.pop()])
        except Exception as error:  # noqa: BLE001 - of the database, or of the queue: they come back with a delay
            for message in left:
                await self._fail(message, error)

    async def _take(self, messages: Sequence[sqs.Incoming]) -> None:
        """Handle messages, then acknowledge those that are done in one call."""
        done, groups = await self._sort(messages)
        settled = await asyncio.gather(*(self._settle(group) for group in groups))
        if handled := [*done, *chain(*settled)]:
            crash.point(f"{self.service}:committed")
            await self._queues.delete(self._queue, [message.receipt for message in handled])
            self._held.difference_update(handled)

    async def _sort(self, messages: Sequence[sqs.Incoming]) -> tuple[list[sqs.Incoming], list[list[Taken]]]:
        """Read the messages; returns those that need no work and, by unit of work, the others."""
        done: list[sqs.Incoming] = []
        alone: list[list[Taken]] = []
        batches: dict[Kind, list[Taken]] = {}
        for message in messages:
            try:
                event = self._loads(message.body)
            except Exception as error:  # noqa: BLE001 - `_fail` decides the outcome
                done += await self._fail(message, error)
                continue
            if event is None:
                done.append(message)
            elif (kind := type(event)) in self._batched:
                batches.setdefault(kind, []).append((message, event))
            else:
                alone.append([(message, event)])
        return done, [*batches.values(), *alone]

    async def _settle(self, group: Sequence[Taken]) -> list[sqs.Incoming]:
        """Handle one unit of work and act on the outcome; returns the messages that may be deleted."""
        messages = [message for message, _ in group]
        try:
            async with self._free:
                await self._handle([event for _, event in group])
        except errors.PartialFailure as partial:
            failed = partial.failed
            given_up = [await self._fail(message, failed[event.id]) for message, event in group if event.id in failed]
            return [*(message for message, event in group if event.id not in failed), *chain(*given_up)]
        except Exception as error:  # noqa: BLE001 - `_fail` or the next attempt decides the outcome
            if len(group) == 1:
                return await self._fail(messages[0], error)
            log.warning("batch_split", messages=len(group), error=repr(error))
            return list(chain(*await asyncio.gather(*(self._settle([each]) for each in group))))
        return messages

    async def _handle(self, batch: Sequence[events.Event]) -> None:
        """Call the handler of these events, which are of one kind: several only if a batch handler takes them."""
        first = batch[0]
        about = {"event_id": str(first.id), "project": first.project} if len(batch) == 1 else {"events": len(batch)}
        bound = structlog.contextvars.bound_contextvars(event=type(first).__name__, **about)
        with bound, traces.handling(self.service, batch):
            await self._dispatch(type(first), batch)
        self._count(batch)

    async def _dispatch(self, kind: Kind, batch: Sequence[events.Event]) -> None:
        handlers = self._handlers
        if long := handlers.long.get(kind):
            await long(batch[0])
        elif long_batch := handlers.long_batch.get(kind):
            await self._work(long_batch, batch)
        elif kind in handlers.one or kind in handlers.batch:
            await self._transact(kind, batch)
        else:
            raise errors.InvalidMessage(f"{self.service} has no handler for {kind.__name__}")

    async def _work(self, handle: Callable[[Sequence[Any]], Awaitable[None]], batch: Sequence[events.Event]) -> None:
        try:
            await handle(batch)
        except errors.PartialFailure as partial:
            if done := [event for event in batch if event.id not in partial.failed]:
                self._count(done)
            raise

    def _count(self, batch: Sequence[events.Event]) -> None:
        metrics.MESSAGES.labels(self.service, "handled").inc(len(batch))
        seconds, now = metrics.EVENT_SECONDS.labels(self.service, type(batch[0]).__name__), datetime.now(UTC)
        for event in batch:
            seconds.observe((now - event.at).total_seconds())

    async def _transact(self, kind: Kind, batch: Sequence[events.Event]) -> None:
        """Claim the events and handle those that are new, in one transaction."""
        by_id = {str(event.id): event for event in batch}
        async with self._make.begin() as session:
            claimed = await inbox.claim_all(session, self.service, by_id)
            fresh = [event for id_, event in by_id.items() if id_ in claimed]
            if fresh and kind in self._handlers.batch:
                await self._handlers.batch[kind](fresh, session)
            elif fresh:
                await self._handlers.one[kind](fresh[0], session)
        metrics.MESSAGES.labels(self.service, "repeated").inc(len(batch) - len(fresh))

    async def _fail(self, message: sqs.Incoming, error: Exception) -> list[sqs.Incoming]:
        """Send the message to the dead-letter queue, or retry it later; returns it if it may be deleted."""
        self._held.discard(message)
        if isinstance(error, errors.InvalidMessage):
            return [message] if await self._bury(message, str(error)) else []
        if message.receives >= topology.MAX_RECEIVES:  # SQS would move it without the reason
            reason = f"gave up after {message.receives} tries: {_described(error)}"
            return [message] if await self._bury(message, reason) else []
        self._doubt |= _unexpected(error)
        delay = plan_retry(error, message.receives)
        log.warning(
            "message_retried",
            error=_described(error),
            delay=delay,
            exc_info=error if _unexpected(error) else None,
        )
        metrics.MESSAGES.labels(self.service, "retried").inc()
        with suppress(Exception):  # its visibility timeout redelivers it in any case
            await self._queues.hide(self._queue, message.receipt, delay)
        return []

    async def _bury(self, message: sqs.Incoming, reason: str) -> bool:
        """Send to the dead-letter queue with the reason; only then may the message be deleted."""
        log.error("message_dead_lettered", reason=reason)
        try:
            failed = await self._queues.send(topology.dead_letter(self.service), [sqs.Outgoing(message.body, reason)])
        except Exception:
            log.exception("dead_letter_send_failed")  # the visibility timeout redelivers the message
            return False
        metrics.MESSAGES.labels(self.service, "dead").inc()
        return not failed

    @asynccontextmanager
    async def _hidden(self, messages: Sequence[sqs.Incoming]) -> AsyncIterator[None]:
        """Prolong the visibility timeout of messages by a heartbeat until they are acknowledged or given back."""

        async def beat() -> None:
            while True:
                await asyncio.sleep(topology.VISIBILITY / 3)
                for message in self._held.intersection(messages):
                    with suppress(Exception):  # the next heartbeat may succeed; a second delivery is harmless
                        await self._queues.hide(self._queue, message.receipt, topology.VISIBILITY)

        self._held.update(messages)
        beating = asyncio.create_task(beat())
        try:
            yield
        finally:
            beating.cancel()
            self._held.difference_update(messages)


def plan_retry(error: Exception, receives: int) -> float:
    """Seconds until a failed message is redelivered: what the handler asks for, else 1, doubled each time, with jitter."""
    first, jitter = (error.delay, 1.0) if isinstance(error, errors.RetryLater) else (1.0, random.uniform(0.8, 1.2))
    return max(first, min(LONGEST_DELAY, first * 2.0 ** min(receives - 1, 9))) * jitter


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _unexpected(error: Exception) -> bool:
    return not isinstance(error, errors.RetryLater)
