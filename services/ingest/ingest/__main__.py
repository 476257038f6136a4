"""Wire ingest and run it: `python -m ingest`. Its sources, two queues, and a connection on which grants are published."""

import asyncio
from functools import partial

from fastapi import APIRouter

from ingest import (
    clearing,
    control,
    dataset_control,
    device_rights,
    grant_publisher,
    handlers,
    metrics,
    report_retention,
    settings,
    sources,
    usage_folding,
)
from strop import app, consumer, loops, mqtt
from strop.settings import Settings
from strop_contracts import topology
from strop_wire import ids

NAME = "ingest"


class Ingest:
    """The parts of one replica. Its grants have a connection of their own, so answers do not depend on a source."""

    def __init__(self, runtime: app.Runtime, broker: mqtt.Mqtt, names: list[str]) -> None:
        sessions, bucket = runtime.sessions, runtime.storage
        grants = grant_publisher.GrantPublisher(bucket, broker)
        self.sources = sources.build(names, runtime, grants)
        decisions = handlers.Decisions(sessions, bucket, grants)
        table = handlers.table(decisions, self.sources, clearing.of(runtime))
        loads = partial(sources.loads, readers=self.sources)
        # Side by side: decisions do not wait until images are decoded.
        self.readers = [
            consumer.Consumer(NAME, sessions, runtime.queues, table, loads=loads, needs=bucket.reach, queue=queue)
            for queue in topology.queues(NAME)
        ]
        self._broker = broker

    def ready(self) -> bool:
        return self._broker.connected.is_set() and all(source.ready() for source in self.sources)

    async def run(self, stop: asyncio.Event) -> None:
        self._broker.start()
        try:
            async with asyncio.TaskGroup() as group:
                for reader in self.readers:
                    group.create_task(reader.run(stop))
                for source in self.sources:
                    group.create_task(source.run(stop))
        finally:
            await self._broker.stop()


ROUTES = APIRouter()
for part in (control.router, dataset_control.router):
    ROUTES.include_router(part)


def build(runtime: app.Runtime) -> app.Service:
    shared, tls = runtime.settings, partial(mqtt.tls_context, runtime.settings)
    client_id = f"{sources.mqtt.client_id(shared)}-grants-{ids.new_id()}"  # its session holds nothing
    broker = mqtt.Mqtt(shared.mqtt_url, client_id, tls=tls)
    ingest = Ingest(runtime, broker, settings.Settings().sources)
    running = [
        ingest.run,
        loops.every(report_retention.PERIOD, partial(report_retention.prune, runtime.sessions)),
        loops.every(usage_folding.PERIOD, partial(usage_folding.fold, runtime.sessions)),
    ]
    if shared.mqtt_dynamic_security:
        running.append(device_rights.DeviceRights(runtime.sessions, shared, tls).run)
    return app.Service(running, ROUTES, measured=metrics.GAUGES, ready=ingest.ready)


if __name__ == "__main__":
    app.main(NAME, Settings(), build)
