"""Batches of MQTT messages, and the rows they make."""

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import select

from ingest import device_messages, refusal_limits
from strop import app, mqtt
from strop_wire import messages, topics
from tests import factories, roles

Store = Callable[..., Awaitable[device_messages.Result]]


def message(body: messages.Message, device: str = factories.DEVICE, project: str = factories.PROJECT) -> mqtt.Message:
    kind = type(body).__name__.lower()
    return mqtt.Message(topics.topic(project, device, kind), body.dumps(), 1, 1, 1)


def storing(runtime: app.Runtime) -> Store:
    """Return a function that stores a batch in a transaction of its own."""

    async def store(*batch: mqtt.Message) -> device_messages.Result:
        async with runtime.sessions.begin() as session:
            return await device_messages.store(session, batch, refusal_limits.RefusalLimits())

    return store


async def all_rows(runtime: app.Runtime, table: type[Any]) -> list[Any]:
    async with roles.arranging(runtime)() as session:
        return list(await session.scalars(select(table)))
