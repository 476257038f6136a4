"""Receives batches of device messages from a source: stores each in one transaction, then publishes the answers."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import device_messages, grant_publisher, refusal_limits, rules
from strop import crash, db, loops, traces
from strop_contracts import errors

log = structlog.get_logger()

RETRY = 1.0
"""Seconds between two attempts to store a batch while the database is unreachable."""

_DATA = {"22", "23"}
"""Classes of SQLSTATE: data, integrity."""

M = TypeVar("M", bound=device_messages.Message)
Work = Callable[[AsyncSession, Sequence[M]], Awaitable[device_messages.Result]]


class Receiver:
    """Stores what devices publish, whatever the source."""

    def __init__(self, sessions: db.Sessions, grants: grant_publisher.GrantPublisher) -> None:
        self._sessions = sessions
        self._grants = grants
        self._limits = refusal_limits.RefusalLimits()

    async def receive(self, batch: Sequence[M], stop: asyncio.Event) -> list[M]:
        """Store and answer a batch; returns the messages that the source may acknowledge.

        While the database is unreachable, the same batch is retried until `stop` is set. A message that the database
        refuses becomes a dead letter; the others are stored.
        """
        error = await self._attempt(batch, partial(device_messages.store, limits=self._limits), stop)
        if error is None:
            return list(batch)
        if stop.is_set():
            return []
        if len(batch) > 1:
            middle = len(batch) // 2
            return [*await self.receive(batch[:middle], stop), *await self.receive(batch[middle:], stop)]
        log.error("message_not_storable", topic=batch[0].topic, error=repr(error))
        refuse = partial(device_messages.refuse, limits=self._limits, reason=_reason(error))
        error = await self._attempt(batch, refuse, stop)
        return [] if error else list(batch)

    async def on_messages_retried(self, retried: Sequence[rules.MessageRetried]) -> None:
        """Receive messages from dead letters as if they arrived now; one that is refused again is a dead letter again."""
        failed: dict[UUID, Exception] = {}
        for event in retried:
            try:
                await self._receive_again(event)
            except Exception as error:  # noqa: BLE001 - the consumer judges it
                failed[event.id] = error
        if failed:
            raise errors.PartialFailure(failed)

    async def _receive_again(self, event: rules.MessageRetried) -> None:
        since = time.time_ns()
        try:
            async with self._sessions.begin() as session:
                result = await device_messages.store(session, [event], self._limits, retried=True)
        except Exception as error:
            if data_is_at_fault(error):
                raise errors.InvalidMessage(_reason(error)) from error
            raise
        await self._answer(result, since)

    async def _attempt(self, batch: Sequence[M], work: Work[M], stop: asyncio.Event) -> Exception | None:
        """Run the work in a transaction until it commits; returns the error if the data is at fault or `stop` is set."""
        since = time.time_ns()
        while True:
            try:
                async with self._sessions.begin() as session:
                    result = await work(session, batch)
            except Exception as error:  # noqa: BLE001 - judged in the next line
                if data_is_at_fault(error) or stop.is_set():
                    return error
                log.warning("batch_retried", messages=len(batch), error=repr(error))
                await loops.pause(RETRY, stop)
            else:
                self._limits.record(result.letters)
                crash.point("ingest:stored")
                await self._answer(result, since)
                return None

    async def _answer(self, result: device_messages.Result, since: int) -> None:
        """Publish, after the commit, the answers to messages that arrived at `since` (ns since 1970)."""
        result.count()
        traces.arrived("ingest", result.new_captures, since)
        try:
            await self._grants.captures(result.decided, result.unknown)
            for device, files in result.files:
                await self._grants.files(device, files)
        except Exception:  # the device asks again; what is stored must be acknowledged
            log.exception("answer_failed")


def _reason(error: Exception) -> str:
    """Return why a message cannot be stored, without the statement and its values."""
    return f"cannot be stored: {error.orig if isinstance(error, DBAPIError) else error}"


def data_is_at_fault(error: Exception) -> bool:
    """Whether the same batch would fail again; else a dependency is unreachable and a retry is right."""
    if isinstance(error, DBAPIError):
        cause = error.orig.__cause__ if error.orig else None
        # A ValueError is a value that cannot even be sent.
        return isinstance(cause, ValueError) or str(getattr(cause, "sqlstate", ""))[:2] in _DATA
    if isinstance(error, asyncpg.PostgresError):  # of a statement that bypassed SQLAlchemy
        return str(error.sqlstate)[:2] in _DATA
    return isinstance(error, StatementError | ValueError | TypeError | LookupError | AttributeError | AssertionError)
