"""Messages of devices over MQTT at QoS 1: stored in batches, and acknowledged after the commit."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from ingest import grant_publisher, receiver, rules
from ingest.sources import base, replicas
from strop import app, mqtt
from strop.settings import Settings
from strop_contracts import events
from strop_wire import topics

READERS = 2
"""Batches at a time: one is read and checked while the other is in the database."""


def filters(settings: Settings) -> list[str]:
    """Return the topic filters to subscribe to: a shared subscription if the broker supports it.

    On a broker that does not check subscriptions (Mosquitto with an `acl_file`), any client that names the group becomes a
    member; one that may not read the topic is assigned part of the messages all the same, and they are lost. So the name is a secret.
    """
    group = settings.mqtt_group or f"{settings.queue_prefix}-ingest"
    share = f"$share/{group}/" if settings.mqtt_shared else ""
    return [f"{share}strop/+/+/{kind}" for kind in topics.UP]


def client_id(settings: Settings) -> str:
    """Return the client id of the first replica, by which the broker queues messages while it is offline."""
    return f"{settings.mqtt_client_id or settings.queue_prefix}-ingest"


class MqttSource:
    """One replica's persistent session. Which session is its own: see `replicas`."""

    def __init__(self, runtime: app.Runtime, grants: grant_publisher.GrantPublisher) -> None:
        settings = runtime.settings
        tls = partial(mqtt.tls_context, settings)
        self._connect = partial(mqtt.connect, settings.mqtt_url, filters=filters(settings), tls=tls)
        self._client_id = client_id(settings)
        self._is_numbered = settings.mqtt_shared and not settings.mqtt_client_id
        self._receiver = receiver.Receiver(runtime.sessions, grants)
        self._replicas = replicas.Replicas(runtime.sessions, self._client_id, self._connect, self._receiver)
        self._connection: mqtt.Mqtt | None = None

    def ready(self) -> bool:
        return self._connection is not None and self._connection.connected.is_set()

    async def run(self, stop: asyncio.Event) -> None:
        if self._is_numbered:
            await self._replicas.run(self._receive, stop)
        else:
            await self._receive(self._client_id, stop)

    @staticmethod
    def owns(body: Mapping[str, Any]) -> bool:
        return "topic" in body

    @staticmethod
    def read(body: Mapping[str, Any]) -> rules.MessageRetried:
        """Read the dead letter of a device's message, which an operator retried."""
        return rules.read_letter(body)

    def handlers(self) -> Mapping[type[events.Event], base.Handle]:
        return {rules.MessageRetried: self._receiver.on_messages_retried}

    async def _receive(self, client_id: str, stop: asyncio.Event) -> None:
        """Receive as this client until `stop` is set."""
        async with self._connect(client_id) as connection, asyncio.TaskGroup() as group:
            self._connection = connection
            for _ in range(READERS):
                group.create_task(self._read(connection, stop))
        self._connection = None

    async def _read(self, connection: mqtt.Mqtt, stop: asyncio.Event) -> None:
        stopping = asyncio.ensure_future(stop.wait())
        while not stop.is_set():
            arriving = asyncio.ensure_future(connection.batch(readers=READERS))
            await asyncio.wait((arriving, stopping), return_when=asyncio.FIRST_COMPLETED)
            if arriving.done():
                connection.acknowledge(await self._receiver.receive(arriving.result(), stop))
            else:
                arriving.cancel()  # what it holds is not acknowledged, so the broker sends it again
