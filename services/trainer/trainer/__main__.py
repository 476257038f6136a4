"""The trainer: dataset versions, triggers, training runs, the gate, the registry."""

from strop import app, consumer, loops
from strop.settings import Settings as Shared
from strop_edge import disk
from trainer import backends, control, handlers, metrics
from trainer.settings import Settings
from trainer.triggers import Triggers

NAME = "trainer"


def build(runtime: app.Runtime) -> app.Service:
    settings = Settings()
    backends.check(settings.backend)
    for folder in ("images", "backbones"):
        disk.sweep(settings.cache / folder)
    table = handlers.table(runtime, settings)
    reader = consumer.Consumer(NAME, runtime.sessions, runtime.queues, table, needs=runtime.storage.reach)
    return app.Service(
        [reader.run, loops.every(settings.tick, Triggers(runtime, settings).tick)],
        control.router,
        measured=metrics.GAUGES,
    )


if __name__ == "__main__":
    app.main(NAME, Shared(), build)
