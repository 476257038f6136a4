"""A message to handle, and work to see."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from strop import app, consumer, sqs
from strop_contracts import events, tables
from strop_wire import ids
from tests import wait

SERVICE = "router"

Consume = Callable[..., consumer.Consumer]
Send = Callable[..., Awaitable[None]]
Receive = Callable[..., Awaitable[list[sqs.Incoming]]]


def received() -> events.CaptureReceived:
    return events.CaptureReceived(project="bottles", capture_id=ids.uuid7(), device="line-1")


async def work(event: events.CaptureReceived, session: AsyncSession) -> None:
    """Leave a row that shows each time the work was done."""
    session.add(tables.Policy(project=event.project, version=await made(session) + 1, body={"of": str(event.id)}))
    await session.flush()


async def made(session: AsyncSession) -> int:
    return len(list(await session.scalars(select(tables.Policy))))


async def done(runtime: app.Runtime) -> int:
    """How often the work was done, and committed."""
    async with runtime.sessions() as session:
        return await made(session)


async def empty(runtime: app.Runtime) -> bool:
    return await runtime.queues.depth(SERVICE) == 0


@pytest.fixture
def consume(runtime: app.Runtime) -> Callable[..., consumer.Consumer]:
    """Make a consumer of CaptureReceived."""

    def make(handler: Callable[..., Awaitable[None]] = work, form: str = "one", **options: Any) -> consumer.Consumer:
        forms: dict[str, Any] = {form: {events.CaptureReceived: handler}}
        handlers = consumer.Handlers(**forms)
        return consumer.Consumer(SERVICE, runtime.sessions, runtime.queues, handlers, wait=1, **options)

    return make


@pytest.fixture
def send(runtime: app.Runtime) -> Callable[..., Awaitable[None]]:
    """Put bodies on the queue."""

    async def all_of(*bodies: str) -> None:
        assert not await runtime.queues.send(SERVICE, [sqs.Outgoing(body) for body in bodies])

    return all_of


@pytest.fixture
def receive(runtime: app.Runtime) -> Callable[..., Awaitable[list[sqs.Incoming]]]:
    """Take this many messages from the queue."""

    async def taken(count: int = 1) -> list[sqs.Incoming]:
        found: list[sqs.Incoming] = []

        async def enough() -> bool:
            found.extend(await runtime.queues.receive(SERVICE, wait=1))
            return len(found) >= count

        await wait.until(enough)
        return found

    return taken
