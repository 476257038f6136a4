"""Wire the deployer and run it: `python -m deployer`."""

import asyncio

from deployer import control, handlers, metrics, publishing, settings, settling, targets
from strop import app, consumer, loops
from strop.settings import Settings

NAME = "deployer"


def build(runtime: app.Runtime) -> app.Service:
    own = settings.Settings()
    target = targets.build(own.target, runtime)
    reader = consumer.Consumer(NAME, runtime.sessions, runtime.queues, handlers.table(runtime, own, target))
    settle = loops.every(own.tick, settling.Settling(runtime.sessions, own).tick)
    publish = loops.every(own.tick, publishing.Publishing(runtime.sessions, target, own).tick)

    async def publish_connected(stop: asyncio.Event) -> None:
        async with target.opened():
            await publish(stop)

    running = [reader.run, settle, publish_connected]
    return app.Service(running, control.router, measured=metrics.GAUGES, ready=target.ready)


if __name__ == "__main__":
    app.main(NAME, Settings(), build)
