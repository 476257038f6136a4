"""What the trainer does on each event."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from strop import app, consumer, outbox
from strop_contracts import events
from trainer import clearing, queries
from trainer.runs import Runs
from trainer.settings import Settings


async def on_training_ordered(event: events.TrainingOrdered, session: AsyncSession) -> None:
    await queries.order(session, event.run_id, event.project, event.manifest, event.backbone)
    await outbox.add(session, events.TrainingRequested(project=event.project, run_id=event.run_id))


async def on_images_labeled(batch: Sequence[events.ImageLabeled], session: AsyncSession) -> None:
    """Schedule the triggers of the projects. What was labeled is read from `ground_truth` when they are evaluated."""
    await queries.schedule(session, {event.project for event in batch})


async def on_quality_degraded(event: events.QualityDegraded, session: AsyncSession) -> None:
    """Schedule the triggers of the project. What became worse is read from `quality_models` when they are evaluated."""
    await queries.schedule(session, {event.project})


async def on_hosted_model_deleted(event: events.HostedModelDeleted, session: AsyncSession) -> None:
    """Delete the rows of a model that only the Custom Labels API used. Its files stay until the project is deleted."""
    await queries.delete_hosted(session, event.project, event.model_version)


def table(runtime: app.Runtime, settings: Settings) -> consumer.Handlers:
    """Training outlasts a transaction: its handler holds a lease on the run."""
    return consumer.Handlers(
        one={
            events.TrainingOrdered: on_training_ordered,
            events.HostedModelDeleted: on_hosted_model_deleted,
            events.QualityDegraded: on_quality_degraded,
        },
        batch={events.ImageLabeled: on_images_labeled},
        long={
            events.TrainingRequested: Runs(runtime, settings).carry_out,
            events.ProjectDeleted: clearing.of(runtime).on_project_deleted,
        },
    )
