"""What the trainer does on each event."""

from sqlalchemy.ext.asyncio import AsyncSession

from strop import app, consumer, outbox
from strop_contracts import events
from trainer import queries
from trainer.runs import Runs
from trainer.settings import Settings


async def on_training_ordered(event: events.TrainingOrdered, session: AsyncSession) -> None:
    await queries.order(session, event.run_id, event.project, event.manifest, event.backbone)
    await outbox.add(session, events.TrainingRequested(project=event.project, run_id=event.run_id))


def table(runtime: app.Runtime, settings: Settings) -> consumer.Handlers:
    """Training outlasts a transaction: its handler holds a lease on the run."""
    return consumer.Handlers(
        one={events.TrainingOrdered: on_training_ordered},
        long={events.TrainingRequested: Runs(runtime, settings).carry_out},
    )
