"""Waiting for what happens elsewhere, with an end to the patience."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy import select

from strop import app
from strop_contracts import events, tables, topology

T = TypeVar("T")

PATIENCE = 60
"""Seconds until a test gives up waiting: far more than anything takes, for a machine with other work to do."""


async def until(look: Callable[[], Awaitable[T | None]]) -> T:
    """Look again and again until there is something, and return it."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await look()):
            await asyncio.sleep(0.02)
    return found


async def within(awaitable: Awaitable[T], seconds: float = PATIENCE) -> T:
    """Await something, for so many seconds at most."""
    async with asyncio.timeout(seconds):
        return await awaitable


async def for_events(runtime: app.Runtime, service: str, count: int = 1) -> list[events.Event]:
    """Take this many events from a service's queue."""
    taken: list[events.Event] = []
    async with asyncio.timeout(PATIENCE):
        while len(taken) < count:
            messages = await runtime.queues.receive(service, wait=1)
            taken += [events.loads(message.body) for message in messages]
            await runtime.queues.delete(service, [message.receipt for message in messages])
    return taken


async def for_letter(runtime: app.Runtime, service: str) -> tuple[str, str]:
    """Take one letter from a service's dead-letter queue: its body and the reason."""
    client, url = runtime.queues._client, await runtime.queues.url(topology.dead_letter(service))

    async def receive() -> list[dict[str, object]]:
        answer = await client.receive_message(QueueUrl=url, WaitTimeSeconds=1, MessageAttributeNames=["All"])
        return list(answer.get("Messages", []))

    (letter,) = await until(receive)
    await client.delete_message(QueueUrl=url, ReceiptHandle=letter["ReceiptHandle"])
    return str(letter["Body"]), letter["MessageAttributes"]["reason"]["StringValue"]  # type: ignore[index]


async def outbox(runtime: app.Runtime) -> list[events.Event]:
    """The events that wait in the outbox, in order; each once, whoever gets it. Dead letters are left out."""
    async with runtime.sessions() as session:
        rows = await session.scalars(
            select(tables.Outbox).where(tables.Outbox.reason.is_(None)).order_by(tables.Outbox.id)
        )
        return list({event.id: event for event in (events.loads(row.body) for row in rows)}.values())


async def buried(runtime: app.Runtime) -> list[tuple[str, str, str]]:
    """The dead letters that wait in the outbox: queue, body, reason."""
    async with runtime.sessions() as session:
        rows = await session.scalars(
            select(tables.Outbox).where(tables.Outbox.reason.is_not(None)).order_by(tables.Outbox.id)
        )
        return [(row.queue, row.body, row.reason or "") for row in rows]
