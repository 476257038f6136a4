"""What happens on each event."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from labeling_queue import clearing, filing, folders, kinds, queries, rules
from labeling_queue.kinds import base
from strop import app, consumer, metrics
from strop_contracts import errors, events


async def on_images_stored(stored: Sequence[events.ImageStored], session: AsyncSession) -> None:
    """Create a label task for each stored image."""
    wanted = {event.capture_id for event in stored}
    captures = await queries.captures(session, wanted)
    errors.require_captures(wanted, [capture.id for capture in captures])
    shares = await queries.shares(session, {capture.project for capture in captures})
    for name, kind in kinds.KINDS.items():
        drawn = [_drawn(task, shares) for task in kind.tasks(captures)]
        await queries.add_tasks(session, name, drawn)
    for capture in captures:
        metrics.CAPTURE_SECONDS.labels("task").observe((datetime.now(UTC) - capture.at).total_seconds())


def _drawn(task: base.NewTask, shares: Mapping[str, rules.Shares]) -> base.NewTask:
    return replace(task, draw=rules.draw(task.capture, shares.get(task.capture.project, {})))


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
