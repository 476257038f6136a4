"""What the trainer does on each event."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from strop import app, consumer, outbox
from strop_contracts import events
from trainer import queries
from trainer.runs import Runs
from trainer.settings import Settings


async def on_training_ordered(event: events.TrainingOrdered, session: AsyncSession) -> None:
    await queries.order(session, event.run_id, event.project, event.manifest, event.backbone)
    await outbox.add(session, events.TrainingRequested(project=event.project, run_id=event.run_id))


HANDLERS: Mapping[type[events.Event], consumer.Handler] = {events.TrainingOrdered: on_training_ordered}


def long(runtime: app.Runtime, settings: Settings) -> dict[type[events.Event], consumer.LongHandler]:
    """Training outlasts a transaction, so its handler guards itself with a lease."""
    return {events.TrainingRequested: Runs(runtime, settings).carry_out}
