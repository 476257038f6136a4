"""Wires ingest: one MQTT connection, two queues."""

import asyncio
from functools import partial

from ingest import (
    announcements,
    answers,
    clearing,
    control,
    device_rights,
    handlers,
    metrics,
    objects,
    report_retention,
    slots,
)
from strop import app, consumer, loops, mqtt
from strop.settings import Settings
from strop_contracts import topology

NAME = "ingest"


class Ingest:
    """One copy of the service. It connects when it knows which one it is."""

    def __init__(self, runtime: app.Runtime) -> None:
        self._runtime, self._settings = runtime, runtime.settings
        self._tls = mqtt.tls_context(runtime.settings)
        self._broker: mqtt.Mqtt | None = None

    def ready(self) -> bool:
        return self._broker is not None and self._broker.connected.is_set()

    async def run(self, stop: asyncio.Event) -> None:
        client_id = announcements.client_id(self._settings)
        if self._settings.mqtt_client_id or not self._settings.mqtt_shared:
            await self._work(client_id, [], stop)
            return
        slot = slots.Slot(self._runtime.sessions, client_id)
        try:
            if numbered := await slot.take(stop):
                await self._work(numbered, [slot], stop)
        finally:
            await slot.release()

    async def _work(self, client_id: str, numbers: list[slots.Slot], stop: asyncio.Event) -> None:
        """Keep the connection up for as long as anybody has something to say on it."""
        settings, make, store = self._settings, self._runtime.sessions, self._runtime.storage
        filters = announcements.filters(settings)
        self._broker = broker = mqtt.Mqtt(settings.mqtt_url, client_id, filters, tls=self._tls)
        tell = answers.Answers(store, broker)
        listening = announcements.Announcements(make, broker, tell)
        table = handlers.table(
            handlers.Decisions(make, store, tell),
            objects.Objects(make, store, tell),
            listening,
            clearing.of(self._runtime),
        )
        # Side by side: decisions do not wait until images are decoded.
        consumers = [
            consumer.Consumer(
                NAME, make, self._runtime.queues, table, loads=objects.loads, needs=store.reach, queue=queue
            )
            for queue in topology.queues(NAME)
        ]
        broker.start()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(listening.run(stop))
                for reading in consumers:
                    group.create_task(reading.run(stop))
                for slot in numbers:
                    group.create_task(slot.keep(stop))
                    group.create_task(slots.Heir(make, settings, self._tls, tell).run(slot.others(), stop))
        finally:
            await broker.stop()


def build(runtime: app.Runtime) -> app.Service:
    ingest = Ingest(runtime)
    running = [ingest.run, loops.every(report_retention.PERIOD, partial(report_retention.prune, runtime.sessions))]
    if runtime.settings.mqtt_dynamic_security:
        tls = mqtt.tls_context(runtime.settings)
        running.append(device_rights.DeviceRights(runtime.sessions, runtime.settings, tls).run)
    return app.Service(running, control.router, measured=metrics.GAUGES, ready=ingest.ready)


if __name__ == "__main__":
    app.main(NAME, Settings(), build)
