"""What the trainer does on each event."""

from strop import app, consumer, events
from trainer.runs import Runs
from trainer.settings import Settings


def table(runtime: app.Runtime, settings: Settings) -> dict[type[events.Event], consumer.LongHandler]:
    """Training outlasts a transaction, so its handler guards itself with a lease."""
    return {events.TrainingRequested: Runs(runtime, settings).carry_out}
