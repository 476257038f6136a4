"""What custom-labels does on each event."""

from custom_labels.datasets import changes
from custom_labels.projects import clearing, deletion
from custom_labels.versions.training import Training
from strop import app, consumer
from strop_contracts import events


def table(runtime: app.Runtime, training: Training) -> consumer.Handlers:
    """The long ones read and write objects; they are idempotent."""
    return consumer.Handlers(
        one={
            events.ModelRegistered: training.on_model_registered,
            events.TrainingFailed: training.on_training_failed,
            events.ProjectCleared: deletion.on_project_cleared,
        },
        long={
            events.DatasetChangeRequested: changes.Changes(runtime).carry_out,
            events.ProjectDeleted: clearing.of(runtime).on_project_deleted,
        },
    )
