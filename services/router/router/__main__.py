"""Wires the router: one queue."""

from router import control, handlers
from strop import app, consumer
from strop.settings import Settings


def build(runtime: app.Runtime) -> app.Service:
    reading = consumer.Consumer("router", runtime.sessions, runtime.queues, handlers.HANDLERS)
    return app.Service("router", [reading.run], control.router)


if __name__ == "__main__":
    app.main(Settings(), build)
