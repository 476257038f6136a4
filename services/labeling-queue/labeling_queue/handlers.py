"""What happens on each event."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from labeling_queue import clearing, filing, folders, kinds, queries
from strop import app, consumer, metrics
from strop_contracts import errors, events


async def on_images_stored(stored: Sequence[events.ImageStored], session: AsyncSession) -> None:
    """Create a label task for each stored image."""
    wanted = {event.capture_id for event in stored}
    captures = await queries.captures(session, wanted)
    errors.require_captures(wanted, [capture.id for capture in captures])
    for name, kind in kinds.KINDS.items():
        await queries.add_tasks(session, name, kind.tasks(captures))
    for capture in captures:
        metrics.CAPTURE_SECONDS.labels("task").observe((datetime.now(UTC) - capture.at).total_seconds())


def table(runtime: app.Runtime) -> consumer.Handlers:
    filed = filing.Filing(runtime.sessions, runtime.storage)
    return consumer.Handlers(
        batch={events.ImageStored: on_images_stored},
        long={
            events.LabelFiled: filed.on_label_filed,
            events.CopyMoved: filed.on_copy_moved,
            events.ImageLabeled: folders.Folders(runtime.sessions, runtime.storage).on_image_labeled,
            events.ProjectDeleted: clearing.of(runtime).on_project_deleted,
        },
    )
