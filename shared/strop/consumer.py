"""One message, one transaction: claim the event, do the work, write what follows; then acknowledge.

A crash before the commit: the message comes again. After it: the inbox absorbs the repeat. A handler says the outcome by
raising: InvalidMessage (dead-letter queue, at once), RetryLater (comes back after its delay), anything else comes back with
a growing delay until SQS moves it to the dead-letter queue.

Events that come by the thousand are handled `Together`: many in one transaction. When that fails they are handled one by
one, so that a message nobody can handle hurts only itself. While what handlers need is away, messages stay in the queue.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from strop import crash, db, inbox, metrics, sqs, traces
from strop_contracts import errors, events, topology

log = structlog.get_logger()

Handler = Callable[[Any, AsyncSession], Awaitable[None]]
"""Works in the given transaction and never commits."""

LongHandler = Callable[[Any], Awaitable[None]]
"""Work that outlasts a transaction: it guards itself with a lease on its own row and may be called again for the same event."""


@dataclass(frozen=True, slots=True)
class Together:
    """A handler that takes a sequence of events where others take one: all are handled, or none.

    A long handler, which commits by itself, may say with a PartialFailure which of them failed.
    """

    handle: Callable[..., Awaitable[None]]


TOGETHER = 100
"""Most messages a consumer takes at a time when it handles events together."""

AWAY = 1.0
"""Seconds between two looks whether what was away is back."""

AT_ONCE = 10
"""Units of work side by side: each may hold a connection to the database."""

Taken = tuple[sqs.Incoming, events.Event]


class Consumer:
    """Reads one service's queue until told to stop; a clean stop finishes the messages in hand."""

    def __init__(
        self,
        service: str,
        make: db.Sessions,
        queues: sqs.Queues,
        handlers: Mapping[type[events.Event], Handler | Together],
        *,
        long: Mapping[type[events.Event], LongHandler | Together] | None = None,
        loads: Callable[[str], events.Event | None] = events.loads,
        needs: Callable[[], Awaitable[object]] | None = None,
        wait: int = 20,
    ) -> None:
        """`loads` turns a body into an event; None means: nothing to do, acknowledge it. `needs` raises while what the handlers
        need besides the database is away.
        """
        self.service = service
        self._make = make
        self._queues = queues
        self._handlers = handlers
        self._long = long or {}
        self._together = {kind for kind, each in {**handlers, **self._long}.items() if isinstance(each, Together)}
        self._loads = loads
        self._needs = needs
        self._wait = wait
        self._doubt = False  # whether something the handlers need may be away
        self._free = asyncio.Semaphore(AT_ONCE)
        self._held: set[sqs.Incoming] = set()

    async def run(self, stop: asyncio.Event) -> None:
        limit = TOGETHER if self._together else sqs.BATCH
        while not stop.is_set():
            try:
                messages = await self._queues.receive_until(stop, self.service, self._wait, limit)
                if messages:
                    await asyncio.shield(self.take(messages))
                while self._doubt and not stop.is_set():
                    await self._look(stop)
            except Exception:
                log.exception("cannot receive or acknowledge, trying again", service=self.service)
                await asyncio.sleep(1)

    async def _look(self, stop: asyncio.Event) -> None:
        """Leave messages in the queue while they cannot be handled: each time one is received brings it nearer to its end."""
        try:
            async with self._make() as session:
                await session.execute(select(1))
            if self._needs:
                await self._needs()
            self._doubt = False
        except Exception as error:  # noqa: BLE001 - whatever it is, it is not there
            log.warning("waiting for what is away", service=self.service, error=repr(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), AWAY)

    async def take(self, messages: Sequence[sqs.Incoming]) -> None:
        """Handle messages side by side, or together, then acknowledge what is done in one call."""
        with structlog.contextvars.bound_contextvars(service=self.service):
            async with self._hidden(messages):
                done, groups = await self._sort(messages)
                settled = await asyncio.gather(*(self._settle(group) for group in groups))
                if receipts := [message.receipt for message in chain(done, *settled)]:
                    crash.point(f"{self.service}:committed")
                    await self._queues.delete(self.service, receipts)

    async def _sort(self, messages: Sequence[sqs.Incoming]) -> tuple[list[sqs.Incoming], list[list[Taken]]]:
        """Read the messages; returns those that are done with and, by unit of work, the others."""
        done: list[sqs.Incoming] = []
        alone: list[list[Taken]] = []
        together: dict[type[events.Event], list[Taken]] = {}
        for message in messages:
            try:
                event = self._loads(message.body)
            except Exception as error:  # noqa: BLE001 - its outcome is decided there
                done += await self._fail(message, error)
                continue
            if event is None:
                done.append(message)
            elif (kind := type(event)) in self._together:
                together.setdefault(kind, []).append((message, event))
            else:
                alone.append([(message, event)])
        return done, [*together.values(), *alone]

    async def _settle(self, group: Sequence[Taken]) -> list[sqs.Incoming]:
        """Handle the events of one kind in one go, and act on the outcome; returns the messages that may be deleted."""
        messages = [message for message, _ in group]
        try:
            async with self._free:
                await self._handle([event for _, event in group])
        except errors.PartialFailure as partial:
            failed = partial.failed
            given_up = [await self._fail(message, failed[event.id]) for message, event in group if event.id in failed]
            return [*(message for message, event in group if event.id not in failed), *chain(*given_up)]
        except Exception as error:  # noqa: BLE001 - judged by `_fail`, or by the next try
            if len(group) == 1:
                return await self._fail(messages[0], error)
            log.warning("handling one by one what failed together", messages=len(group), error=repr(error))
            return list(chain(*await asyncio.gather(*(self._settle([each]) for each in group))))
        return messages

    async def _handle(self, happened: Sequence[events.Event]) -> None:
        first = happened[0]
        about = (
            {"event_id": str(first.id), "project": first.project} if len(happened) == 1 else {"events": len(happened)}
        )
        bound = structlog.contextvars.bound_contextvars(event=type(first).__name__, **about)
        with bound, traces.handling(self.service, happened):
            if long := self._long.get(type(first)):
                await self._work(long, happened)
            elif handler := self._handlers.get(type(first)):
                await self._transact(handler, happened)
            else:
                raise errors.InvalidMessage(f"{self.service} has no handler for {type(first).__name__}")
        self._count(happened)

    async def _work(self, handler: LongHandler | Together, happened: Sequence[events.Event]) -> None:
        try:
            await _call(handler, happened)
        except errors.PartialFailure as partial:
            if done := [event for event in happened if event.id not in partial.failed]:
                self._count(done)
            raise

    def _count(self, happened: Sequence[events.Event]) -> None:
        metrics.MESSAGES.labels(self.service, "handled").inc(len(happened))
        seconds, now = metrics.EVENT_SECONDS.labels(self.service, type(happened[0]).__name__), datetime.now(UTC)
        for event in happened:
            seconds.observe((now - event.at).total_seconds())

    async def _transact(self, handler: Handler | Together, happened: Sequence[events.Event]) -> None:
        """Claim the events and handle those that are new, in one transaction."""
        by_id = {str(event.id): event for event in happened}
        async with self._make.begin() as session:
            fresh = await inbox.claim_all(session, self.service, by_id)
            if fresh:
                await _call(handler, [event for id_, event in by_id.items() if id_ in fresh], session)
        metrics.MESSAGES.labels(self.service, "repeated").inc(len(happened) - len(fresh))

    async def _fail(self, message: sqs.Incoming, error: Exception) -> list[sqs.Incoming]:
        """Bury the message, or let it come back; returns it when it may be deleted."""
        self._held.discard(message)
        if isinstance(error, errors.InvalidMessage):
            return [message] if await self._bury(message, str(error)) else []
        self._doubt |= _unexpected(error)
        delay = plan_retry(error, message.receives)
        log.warning(
            "message comes back",
            error=f"{type(error).__name__}: {error}",
            delay=delay,
            exc_info=error if _unexpected(error) else None,
        )
        metrics.MESSAGES.labels(self.service, "retried").inc()
        with suppress(Exception):  # its visibility brings it back in any case
            await self._queues.hide(self.service, message.receipt, delay)
        return []

    async def _bury(self, message: sqs.Incoming, reason: str) -> bool:
        """Send to the dead-letter queue with the reason; only then may the message be deleted."""
        log.error("message goes to the dead-letter queue", reason=reason)
        try:
            failed = await self._queues.send(topology.dead_letter(self.service), [sqs.Outgoing(message.body, reason)])
        except Exception:
            log.exception("cannot send to the dead-letter queue: the message comes back")
            return False
        metrics.MESSAGES.labels(self.service, "dead").inc()
        return not failed

    @asynccontextmanager
    async def _hidden(self, messages: Sequence[sqs.Incoming]) -> AsyncIterator[None]:
        """Keep messages hidden until they are acknowledged or given back, however long that takes."""

        async def beat() -> None:
            while True:
                await asyncio.sleep(topology.VISIBILITY / 3)
                for message in self._held.intersection(messages):
                    with suppress(Exception):  # the next beat may do; if none does, a second delivery is harmless
                        await self._queues.hide(self.service, message.receipt, topology.VISIBILITY)

        self._held.update(messages)
        beating = asyncio.create_task(beat())
        try:
            yield
        finally:
            beating.cancel()
            self._held.difference_update(messages)


async def _call(
    handler: Handler | LongHandler | Together, happened: Sequence[events.Event], *session: AsyncSession
) -> None:
    if isinstance(handler, Together):
        await handler.handle(happened, *session)
    else:
        (event,) = happened
        await handler(event, *session)


def plan_retry(error: Exception, receives: int) -> float:
    """Seconds until a failed message comes back: what the handler asks for, else 1, 2, 4 … 300 with jitter."""
    if isinstance(error, errors.RetryLater):
        return error.delay
    return min(300.0, 2.0 ** min(receives - 1, 9)) * random.uniform(0.8, 1.2)


def _unexpected(error: Exception) -> bool:
    return not isinstance(error, errors.RetryLater)
