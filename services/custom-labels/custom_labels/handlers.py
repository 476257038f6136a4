"""What custom-labels does on each event."""

import functools

from custom_labels.datasets import changes
from custom_labels.projects import operations as projects
from custom_labels.versions.training import Training
from strop import app, consumer
from strop_contracts import events


def table(runtime: app.Runtime, training: Training) -> consumer.Handlers:
    """Reading images and deleting objects do I/O: both are idempotent."""
    return consumer.Handlers(
        one={
            events.ModelRegistered: training.on_model_registered,
            events.TrainingFailed: training.on_training_failed,
        },
        long={
            events.DatasetChangeRequested: changes.Changes(runtime).carry_out,
            events.ProjectDeletionRequested: functools.partial(projects.clear, runtime),
        },
    )
