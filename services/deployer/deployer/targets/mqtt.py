"""Orders over MQTT: a retained `desired` per device, which a device that is offline receives when it reconnects.

Devices report what they run to ingest, so this target observes no outcomes.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Self

import structlog

from deployer.targets import base
from strop import app, crash, mqtt
from strop_contracts import events
from strop_wire import ids, topics

log = structlog.get_logger()


class MqttTarget:
    """Publishes at QoS 1; the broker's PUBACK is the receipt."""

    def __init__(self, client: mqtt.Mqtt) -> None:
        self._client = client

    @classmethod
    def build(cls, runtime: app.Runtime) -> Self:
        """Make the target from the shared settings. Its session holds nothing, so each copy has a client id of its own."""
        settings = runtime.settings
        tls = partial(mqtt.tls_context, settings)
        return cls(mqtt.Mqtt(settings.mqtt_url, f"strop-deployer-{ids.new_id()}", tls=tls))

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        self._client.start()
        try:
            yield
        finally:
            await self._client.stop()

    def ready(self) -> bool:
        return self._client.connected.is_set()

    async def publish(self, orders: Sequence[base.Order]) -> list[base.Assignment]:
        accepted = await asyncio.gather(*(self._publish(order) for order in orders))
        return [order.assignment for order, done in zip(orders, accepted, strict=True) if done]

    async def _publish(self, order: base.Order) -> bool:
        """Publish one order and wait for the PUBACK. An empty payload clears what the broker retains."""
        assignment = order.assignment
        topic = topics.topic(assignment.project, assignment.device, "desired")
        try:
            await self._client.publish(topic, order.desired.dumps() if order.desired else b"", retain=True)
        except OSError as error:  # TimeoutError is one too
            log.warning("publish_failed", project=assignment.project, device=assignment.device, error=repr(error))
            return False
        crash.point("deployer:published")
        return True

    async def announce(self, event: events.Event) -> None:
        """Publish the event as queues carry it, on `strop/{project}/events`, not retained."""
        try:
            await self._client.publish(topics.events(event.project), event.dumps().encode())
        except OSError as error:  # TimeoutError is one too
            raise base.Unreachable(f"the event was not accepted: {error!r}") from error

    async def observe(self, awaited: Sequence[base.Assignment]) -> base.Observation:  # noqa: ARG002 - see above
        """A reconnect is a new generation: the broker may have restarted without what it retained."""
        return base.Observation(str(self._client.session) if self.ready() else None)
