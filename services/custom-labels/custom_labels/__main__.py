"""Wires custom-labels: the API, one consumer for what takes longer than a request, and the models that run here."""

from custom_labels import handlers
from custom_labels.api import operations, web
from custom_labels.hosting.detect import Detector
from custom_labels.hosting.reconciler import Reconciler
from custom_labels.projects import control
from custom_labels.settings import Settings
from custom_labels.versions.training import Training
from strop import app, consumer, loops
from strop.settings import Settings as Shared

NAME = "custom-labels"

ORDERS = 0.5
"""Seconds between two looks for versions whose own manifests were read."""


def build(runtime: app.Runtime) -> app.Service:
    settings = Settings()
    training, hosts = Training(runtime, settings), Reconciler(runtime, settings)
    reader = consumer.Consumer(
        NAME, runtime.sessions, runtime.queues, handlers.table(runtime, training), needs=runtime.storage.reach
    )
    table = {**operations.TABLE, "DetectCustomLabels": Detector(hosts).detect}
    running = [reader.run, hosts.run, loops.every(ORDERS, training.tick)]
    router = web.Api(runtime, settings, table).router()
    router.include_router(control.router)
    return app.Service(
        running, router, bodies={"/": web.LARGEST_BODY + 1}
    )  # one more: AWS has its own error for a larger one


if __name__ == "__main__":
    app.main(NAME, Shared(), build)
