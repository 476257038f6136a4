"""What happens on each event."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from labeling_queue import annotations, folders, queries
from strop import consumer, metrics, storage
from strop_contracts import errors, events
from strop_wire import fields


async def on_images_stored(happened: Sequence[events.ImageStored], session: AsyncSession) -> None:
    """Images are there: somebody shall label them."""
    wanted = {event.capture_id for event in happened}
    captures = await queries.captures(session, wanted)
    if missing := wanted - {capture.id for capture in captures}:
        raise errors.InvalidMessage(f"there is no capture {', '.join(map(str, missing))}")
    await queries.add_tasks(session, captures)
    for capture in captures:
        metrics.CAPTURE_SECONDS.labels("task").observe((datetime.now(UTC) - capture.at).total_seconds())


async def on_label_filed(event: events.LabelFiled, session: AsyncSession) -> None:
    """Somebody moved a file into the folder of a label: that is an answer."""
    try:
        await annotations.file(session, event)
    except fields.Malformed as error:
        raise errors.InvalidMessage(str(error)) from error


def table(bucket: storage.Storage) -> Mapping[type[events.Event], consumer.Handler | consumer.Together]:
    return {
        events.ImageStored: consumer.Together(on_images_stored),
        events.LabelFiled: on_label_filed,
        events.ImageLabeled: folders.Folders(bucket).on_image_labeled,
    }
