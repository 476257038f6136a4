"""What custom-labels does on each event."""

import functools

from custom_labels.datasets import changes
from custom_labels.projects import operations as projects
from custom_labels.versions.training import Training
from strop import app, consumer
from strop_contracts import events


def short(training: Training) -> dict[type[events.Event], consumer.Handler]:
    """How an order ended at the trainer."""
    return {
        events.ModelRegistered: training.on_model_registered,
        events.TrainingFailed: training.on_training_failed,
    }


def table(runtime: app.Runtime) -> dict[type[events.Event], consumer.LongHandler]:
    """Reading images and clearing a bucket outlast a transaction; each can be called again for the same event."""
    return {
        events.DatasetChangeRequested: changes.Changes(runtime).carry_out,
        events.ProjectDeletionRequested: functools.partial(projects.clear, runtime),
    }
