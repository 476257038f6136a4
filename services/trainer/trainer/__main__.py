"""The trainer: dataset versions, triggers, training runs, the gate, the registry."""

from strop import app, consumer
from strop.settings import Settings as Shared
from strop_edge import disk
from trainer import control, handlers
from trainer.settings import Settings
from trainer.triggers import Triggers


def build(runtime: app.Runtime) -> app.Service:
    settings = Settings()
    for folder in ("images", "backbones"):
        disk.sweep(settings.cache / folder)
    long = handlers.long(runtime, settings)
    reader = consumer.Consumer(
        "trainer", runtime.sessions, runtime.queues, handlers.HANDLERS, long=long, needs=runtime.storage.reach
    )
    return app.Service(
        "trainer", [reader.run, app.every(settings.tick, Triggers(runtime, settings).tick)], control.router
    )


if __name__ == "__main__":
    app.main(Shared(), build)
