"""Wires the router: one queue, and the loop that measures live accuracy."""

from router import control, handlers, metrics
from router.quality import ticker
from strop import app, consumer
from strop.settings import Settings

NAME = "router"


def build(runtime: app.Runtime) -> app.Service:
    reading = consumer.Consumer(NAME, runtime.sessions, runtime.queues, handlers.table(runtime))
    return app.Service([reading.run, ticker.Quality(runtime.sessions).run], control.router, measured=metrics.GAUGES)


if __name__ == "__main__":
    app.main(NAME, Settings(), build)
