"""The MQTT side: take a batch, store it in one transaction, answer what can be answered, and only then acknowledge."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import asyncpg
import structlog
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import answers, intake, rules
from strop import crash, db, loops, mqtt, traces
from strop.settings import Settings
from strop_contracts import errors
from strop_wire import topics

log = structlog.get_logger()

AT_ONCE = 2
"""Batches in hand: one is read and checked while the other is in the database."""
RETRY = 1.0
"""Seconds between tries to store a batch while the database is away."""

_DATA = {"22", "23"}
"""Classes of SQLSTATE: data, integrity."""

Work = Callable[[AsyncSession, Sequence[mqtt.Message]], Awaitable[intake.Result]]


def filters(settings: Settings) -> list[str]:
    """Return the topic filters to subscribe to; in a shared subscription where the broker has them.

    On a broker that does not check subscriptions (Mosquitto with an `acl_file`), any client that names the group becomes a
    member; one that may not read the topic is assigned part of the messages all the same, and they are lost. So the name is a secret.
    """
    group = settings.mqtt_group or f"{settings.queue_prefix}-ingest"
    share = f"$share/{group}/" if settings.mqtt_shared else ""
    return [f"{share}strop/+/+/{kind}" for kind in topics.UP]


def client_id(settings: Settings) -> str:
    """A stable name for this copy of ingest: the broker keeps its messages by it while it is away."""
    return f"{settings.mqtt_client_id or settings.queue_prefix}-ingest"


class Announcements:
    """Reads what devices say until told to stop."""

    def __init__(self, make: db.Sessions, broker: mqtt.Mqtt, tell: answers.Answers) -> None:
        self._make = make
        self._broker = broker
        self._tell = tell

    async def run(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._listen(stop))

    async def _listen(self, stop: asyncio.Event) -> None:
        stopping = asyncio.ensure_future(stop.wait())
        while not stop.is_set():
            arriving = asyncio.ensure_future(self._broker.batch(readers=AT_ONCE))
            await asyncio.wait((arriving, stopping), return_when=asyncio.FIRST_COMPLETED)
            if arriving.done():
                await self.take(arriving.result(), stop)
            else:
                arriving.cancel()  # what it held is not acknowledged, so the broker sends it again

    async def take(self, batch: Sequence[mqtt.Message], stop: asyncio.Event) -> None:
        """Store, answer, acknowledge. A message that the database cannot take is set apart and does not hold up others."""
        error = await self._attempt(batch, intake.store, stop)
        if error is None:
            return
        if len(batch) > 1:
            middle = len(batch) // 2
            await self.take(batch[:middle], stop)
            await self.take(batch[middle:], stop)
        else:
            log.error("message cannot be stored", topic=batch[0].topic, error=repr(error))
            await self._attempt(batch, partial(intake.refuse, reason=_blame(error)), stop)

    async def retry(self, event: rules.MessageRetried) -> None:
        """Take a device's message from a dead letter as if it came now; refused again, it is a dead letter again."""
        since = time.time_ns()
        message = mqtt.Message(event.topic, event.payload, mid=0, qos=1, session=0)
        try:
            async with self._make.begin() as session:
                result = await intake.store(session, [message], retried=True)
        except Exception as error:
            if data_is_at_fault(error):
                raise errors.InvalidMessage(_blame(error)) from error
            raise
        await self._answer(result, since)

    async def _attempt(self, batch: Sequence[mqtt.Message], work: Work, stop: asyncio.Event) -> Exception | None:
        """Do the work in one transaction, again and again while the database is away; returns what the data is to blame for."""
        since = time.time_ns()
        while not stop.is_set():
            try:
                async with self._make.begin() as session:
                    result = await work(session, batch)
            except Exception as error:  # noqa: BLE001 - judged in the next line
                if data_is_at_fault(error):
                    return error
                log.warning("batch not stored, trying again", messages=len(batch), error=repr(error))
                await loops.pause(RETRY, stop)
            else:
                crash.point("ingest:stored")
                await self._answer(result, since)
                self._broker.acknowledge(batch)
                break
        return None

    async def _answer(self, result: intake.Result, since: int) -> None:
        """Tell after the commit what came of messages that arrived at `since` (ns since 1970)."""
        result.count()
        traces.arrived("ingest", result.fresh, since)
        try:
            await self._tell.captures(result.captures, result.unknown)
            for device, files in result.files:
                await self._tell.files(device, files)
        except Exception:  # the device asks again; what is stored must be acknowledged
            log.exception("cannot answer")


def _blame(error: Exception) -> str:
    """Say why a message cannot be stored, without the statement and its values."""
    return f"cannot be stored: {error.orig if isinstance(error, DBAPIError) else error}"


def data_is_at_fault(error: Exception) -> bool:
    """Would the same batch fail again? Else something is away, and trying again is right."""
    if isinstance(error, DBAPIError):
        cause = error.orig.__cause__ if error.orig else None
        # A ValueError is a value that cannot even be sent.
        return isinstance(cause, ValueError) or str(getattr(cause, "sqlstate", ""))[:2] in _DATA
    if isinstance(error, asyncpg.PostgresError):  # of a statement that went by SQLAlchemy
        return str(error.sqlstate)[:2] in _DATA
    return isinstance(error, StatementError | ValueError | TypeError | LookupError | AttributeError | AssertionError)
