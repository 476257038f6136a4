"""Wire the deployer and run it: `python -m deployer`."""

import asyncio

from deployer import control, handlers, metrics, mqtt_target, settings, ticks
from strop import app, consumer, loops, mqtt
from strop.settings import Settings
from strop_wire import ids

NAME = "deployer"


def build(runtime: app.Runtime) -> app.Service:
    own, common = settings.Settings(), runtime.settings
    # It only publishes, so its session holds nothing: a fresh client id keeps two copies from pushing each other out.
    client = mqtt.Mqtt(common.mqtt_url, f"strop-deployer-{ids.new_id()}", tls=mqtt.tls_context(common))
    table = handlers.table(own.stages, own.online_window)
    reader = consumer.Consumer(NAME, runtime.sessions, runtime.queues, table)
    ticking = ticks.Ticks(runtime.sessions, mqtt_target.MqttTarget(client), own)
    settle, send = loops.every(own.tick, ticking.settle), loops.every(own.tick, ticking.send)

    async def send_connected(stop: asyncio.Event) -> None:
        client.start()
        try:
            await send(stop)
        finally:
            await asyncio.to_thread(client.stop)

    return app.Service(
        [reader.run, settle, send_connected], control.router, measured=metrics.GAUGES, ready=client.connected.is_set
    )


if __name__ == "__main__":
    app.main(NAME, Settings(), build)
