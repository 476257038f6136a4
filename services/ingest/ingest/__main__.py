"""Wires ingest: one MQTT connection, one queue."""

import asyncio

from ingest import announcements, answers, handlers, objects
from strop import app, consumer, mqtt
from strop.settings import Settings


def build(runtime: app.Runtime) -> app.Service:
    settings, make, store = runtime.settings, runtime.sessions, runtime.storage
    broker = mqtt.Mqtt(
        settings.mqtt_url, announcements.client_id(settings), announcements.filters(settings), ca=settings.mqtt_ca
    )
    tell = answers.Answers(store, broker)
    listening = announcements.Announcements(make, broker, tell)
    table = handlers.table(handlers.Decisions(make, store, tell), objects.Objects(make, store, tell))
    reading = consumer.Consumer("ingest", make, runtime.queues, {}, long=table, loads=objects.loads)

    async def run(stop: asyncio.Event) -> None:
        """Keep the connection up for as long as anybody has something to say on it."""
        broker.start()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(listening.run(stop))
                group.create_task(reading.run(stop))
        finally:
            await asyncio.to_thread(broker.stop)

    return app.Service("ingest", [run], ready=broker.connected.is_set)


if __name__ == "__main__":
    app.main(Settings(), build)
