"""How the labeling queue is wired: one consumer, the API and the pages."""

from labeling_queue import handlers, metrics, web
from strop import app, consumer
from strop.settings import Settings
from strop_web import failures

NAME = "labeling-queue"


def build(runtime: app.Runtime) -> app.Service:
    bucket = runtime.storage
    reader = consumer.Consumer(NAME, runtime.sessions, runtime.queues, handlers.table(runtime), needs=bucket.reach)
    return app.Service([reader.run], web.router, metrics.GAUGES, errors=failures.HANDLERS)


if __name__ == "__main__":
    app.main(NAME, Settings(), build)
