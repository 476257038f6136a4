"""What happens on each event."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from labeling_queue import annotations, clearing, folders, kinds, queries
from strop import app, consumer, metrics
from strop_contracts import errors, events
from strop_wire import fields


async def on_images_stored(stored: Sequence[events.ImageStored], session: AsyncSession) -> None:
    """Create a label task for each stored image."""
    wanted = {event.capture_id for event in stored}
    captures = await queries.captures(session, wanted)
    errors.require_captures(wanted, [capture.id for capture in captures])
    for name, kind in kinds.KINDS.items():
        await queries.add_tasks(session, name, kind.tasks(captures))
    for capture in captures:
        metrics.CAPTURE_SECONDS.labels("task").observe((datetime.now(UTC) - capture.at).total_seconds())


async def on_label_filed(event: events.LabelFiled, session: AsyncSession) -> None:
    """Record a file moved by hand into the folder of a label as an answer."""
    try:
        await annotations.file(session, event)
    except fields.Malformed as error:
        raise errors.InvalidMessage(str(error)) from error


def table(runtime: app.Runtime) -> consumer.Handlers:
    return consumer.Handlers(
        batch={events.ImageStored: on_images_stored},
        one={events.LabelFiled: on_label_filed},
        long={
            events.ImageLabeled: folders.Folders(runtime.sessions, runtime.storage).on_image_labeled,
            events.ProjectDeleted: clearing.of(runtime).on_project_deleted,
        },
    )
