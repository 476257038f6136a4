"""The copies of images for people to look into: `raw_field_data/…` until labelled, then `labeled_field_data/{label}/…`."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from labeling_queue import queries, rules
from strop import db, storage
from strop_contracts import errors, events, tables


@dataclass(frozen=True, slots=True)
class Folders:
    """The bucket's folders of captures, labelled and not yet labelled."""

    storage: storage.Storage

    async def on_image_labeled(self, event: events.ImageLabeled, session: AsyncSession) -> None:
        """Put the capture's copy where its ground truth says, and nowhere else.

        The ground truth of now counts, not the event's, since events may overtake each other; moves of one capture take
        turns, so the last one sees the last answer. The copy is made from the image itself, so a move that broke off
        half-way is completed when it comes again.
        """
        await db.lock(session, f"copy of {event.capture_id}")
        capture = await session.get(tables.Capture, event.capture_id)
        if capture is None:
            raise errors.InvalidMessage(f"there is no capture {event.capture_id}")
        truth = await session.get(tables.GroundTruth, capture.id)
        target = rules.copy_key(capture, truth.label if truth else None)
        if await self.storage.size(target) is None:
            await self.storage.copy(storage.image_key(capture.project, capture.sha256), target)
        for label in {None, *await queries.labels_given(session, capture.id)}:
            if (key := rules.copy_key(capture, label)) != target:
                await self.storage.delete(key)
