"""One message, one transaction: claim the event, do the work, write what follows; then acknowledge.

A crash before the commit: the message comes again. After it: the inbox absorbs the repeat. A handler says the outcome by
raising: InvalidMessage (dead-letter queue, at once), RetryLater (comes back after its delay), anything else comes back with
a growing delay until SQS moves it to the dead-letter queue.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from strop import crash, db, errors, events, inbox, metrics, sqs, topology

log = structlog.get_logger()

Handler = Callable[[Any, AsyncSession], Awaitable[None]]
"""Works in the given transaction and never commits."""

LongHandler = Callable[[Any], Awaitable[None]]
"""Work that outlasts a transaction: it guards itself with a lease on its own row and may be called again for the same event."""


class Consumer:
    """Reads one service's queue until told to stop; a clean stop finishes the messages in hand."""

    def __init__(
        self,
        service: str,
        make: db.Sessions,
        queues: sqs.Queues,
        handlers: Mapping[type[events.Event], Handler],
        *,
        long: Mapping[type[events.Event], LongHandler] | None = None,
        loads: Callable[[str], events.Event | None] = events.loads,
        wait: int = 20,
    ) -> None:
        """`loads` turns a body into an event; None means: nothing to do, acknowledge it."""
        self.service = service
        self._make = make
        self._queues = queues
        self._handlers = handlers
        self._long = long or {}
        self._loads = loads
        self._wait = wait

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                messages = await self._queues.receive_until(stop, self.service, self._wait)
            except Exception:
                log.exception("cannot receive, trying again", service=self.service)
                await asyncio.sleep(1)
                continue
            if messages:
                await asyncio.shield(self.take(messages))

    async def take(self, messages: list[sqs.Incoming]) -> None:
        """Handle a batch side by side, then acknowledge what is done in one call."""
        done = await asyncio.gather(*(self._one(message) for message in messages))
        if receipts := [message.receipt for message, finished in zip(messages, done, strict=True) if finished]:
            crash.point(f"{self.service}:committed")
            await self._queues.delete(self.service, receipts)

    async def _one(self, message: sqs.Incoming) -> bool:
        """Handle one message and act on its outcome; True when it may be deleted."""
        with structlog.contextvars.bound_contextvars(service=self.service):
            try:
                async with self._heartbeat(message):
                    await self._handle(message)
            except errors.InvalidMessage as error:
                return await self._bury(message, str(error))
            except Exception as error:
                delay = plan_retry(error, message.receives)
                log.warning(
                    "message comes back",
                    error=f"{type(error).__name__}: {error}",
                    delay=delay,
                    exc_info=_unexpected(error),
                )
                metrics.MESSAGES.labels(self.service, "retried").inc()
                with suppress(Exception):  # its visibility brings it back in any case
                    await self._queues.hide(self.service, message.receipt, delay)
                return False
            return True

    async def _handle(self, message: sqs.Incoming) -> None:
        event = self._loads(message.body)
        if event is None:
            return
        with structlog.contextvars.bound_contextvars(
            event=type(event).__name__, event_id=str(event.id), project=event.project
        ):
            if long := self._long.get(type(event)):
                await long(event)
            elif handler := self._handlers.get(type(event)):
                async with self._make.begin() as session:
                    if await inbox.claim(session, self.service, str(event.id)):
                        await handler(event, session)
                    else:
                        metrics.MESSAGES.labels(self.service, "repeated").inc()
            else:
                raise errors.InvalidMessage(f"{self.service} has no handler for {type(event).__name__}")
            metrics.MESSAGES.labels(self.service, "handled").inc()

    async def _bury(self, message: sqs.Incoming, reason: str) -> bool:
        """Send to the dead-letter queue with the reason; only then may the message be deleted."""
        log.error("message goes to the dead-letter queue", reason=reason)
        metrics.MESSAGES.labels(self.service, "dead").inc()
        failed = await self._queues.send(topology.dead_letter(self.service), [sqs.Outgoing(message.body, reason)])
        return not failed

    @asynccontextmanager
    async def _heartbeat(self, message: sqs.Incoming) -> Any:
        """Keep the message hidden while it is worked on, however long that takes."""

        async def beat() -> None:
            while True:
                await asyncio.sleep(topology.VISIBILITY / 3)
                with suppress(Exception):  # the next beat may do; if none does, a second delivery is harmless
                    await self._queues.hide(self.service, message.receipt, topology.VISIBILITY)

        beating = asyncio.create_task(beat())
        try:
            yield
        finally:
            beating.cancel()


def plan_retry(error: Exception, receives: int) -> float:
    """Seconds until a failed message comes back: what the handler asks for, else 1, 2, 4 … 300 with jitter."""
    if isinstance(error, errors.RetryLater):
        return error.delay
    return min(300.0, 2.0 ** min(receives - 1, 9)) * random.uniform(0.8, 1.2)


def _unexpected(error: Exception) -> bool:
    return not isinstance(error, errors.RetryLater)
