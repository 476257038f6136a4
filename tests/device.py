"""A device made of nothing but a connection: it says what a test tells it to, and hears its grants."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from strop import mqtt
from strop_wire import ids, messages, topics
from tests import factories, wait


class Device:
    """Speaks for one device of one project."""

    def __init__(self, link: mqtt.Mqtt, project: str, name: str) -> None:
        self._link = link
        self.project = project
        self.name = name

    async def say(self, message: messages.Message) -> None:
        kind = type(message).__name__.lower()
        await self.say_raw(topics.topic(self.project, self.name, kind), message.dumps())

    async def say_raw(self, topic: str, payload: bytes) -> None:
        await self._link.publish(topic, payload)

    async def hear(self) -> messages.Grant:
        """The next grant."""
        async with asyncio.timeout(wait.PATIENCE):
            (heard,) = await self._link.batch(limit=1)
        self._link.acknowledge([heard])
        return messages.Grant.loads(heard.payload)

    async def hear_of(self, capture: str) -> messages.CaptureGrant:
        """The next answer about this capture."""
        while True:
            for grant in (await self.hear()).captures:
                if grant.capture == capture:
                    return grant

    async def put(self, grant: messages.CaptureGrant, body: bytes) -> None:
        assert grant.url
        async with httpx.AsyncClient() as client:
            headers = {**grant.headers, "content-length": str(len(body))}
            (await client.put(grant.url, headers=headers, content=body)).raise_for_status()


@asynccontextmanager
async def connect(url: str, project: str = factories.PROJECT, name: str = factories.DEVICE) -> AsyncIterator[Device]:
    client_id = f"test-{ids.new_id()}"
    async with mqtt.connect(url, client_id, [topics.topic(project, name, "grant")]) as link:
        async with asyncio.timeout(wait.PATIENCE):
            await link.connected.wait()
        yield Device(link, project, name)
    await forget(url, client_id)


async def forget(url: str, client_id: str) -> None:
    """Have the broker forget the session of a client, with all that waits in it."""
    await asyncio.to_thread(_forget, url, client_id)


def _forget(url: str, client_id: str) -> None:
    address = httpx.URL(url)
    client = Client(CallbackAPIVersion.VERSION2, client_id, clean_session=True, protocol=MQTTv311)
    client.on_connect = lambda client, *_: client.disconnect()
    client.connect(address.host, address.port or 1883)
    client.loop_forever()
