"""What happens on each event."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from labeling_queue import annotations, folders, queries
from strop import consumer, errors, events, models, storage
from strop_wire import fields


async def on_image_stored(event: events.ImageStored, session: AsyncSession) -> None:
    """An image is there: somebody shall label it."""
    capture = await session.get(models.Capture, event.capture_id)
    if capture is None:
        raise errors.InvalidMessage(f"there is no capture {event.capture_id}")
    await queries.add_task(session, capture)


async def on_label_filed(event: events.LabelFiled, session: AsyncSession) -> None:
    """Somebody moved a file into the folder of a label: that is an answer."""
    try:
        await annotations.file(session, event)
    except fields.Malformed as error:
        raise errors.InvalidMessage(str(error)) from error


def table(bucket: storage.Storage) -> Mapping[type[events.Event], consumer.Handler]:
    return {
        events.ImageStored: on_image_stored,
        events.LabelFiled: on_label_filed,
        events.ImageLabeled: folders.Folders(bucket).on_image_labeled,
    }
