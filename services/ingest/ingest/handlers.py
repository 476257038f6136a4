"""What ingest does on each event: the router's decisions, what S3 says, and dead letters that are retried.

All of it talks to the broker or the bucket, so it runs outside of a transaction and opens short ones of its own; a repeat
finds the row that the first time made, and only answers again.
"""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from ingest import announcements, answers, objects, places, queries, rules
from strop import consumer, db, errors, events, models, storage


class Decisions:
    """Turns the router's decisions into rows and answers."""

    def __init__(self, make: db.Sessions, store: storage.Storage, tell: answers.Answers) -> None:
        self._make = make
        self._store = store
        self._tell = tell

    async def on_image_requested(self, event: events.ImageRequested) -> None:
        """Grant the upload. An image that is here already is put in its place by us: S3's event does the rest."""
        async with self._make.begin() as session:
            capture = await _capture(session, event.capture_id)
            key = places.field_key(capture.project, capture.device, capture.id, capture.content_type)
            upload = await queries.decide(session, capture, "granted", key=key)
            known = await queries.has_image(session, capture.project, capture.sha256)
        if known and upload.state == "granted":
            await self._store.copy(storage.image_key(capture.project, capture.sha256), key)
        else:
            await self._tell.captures([(capture, upload)])

    async def on_image_declined(self, event: events.ImageDeclined) -> None:
        async with self._make.begin() as session:
            capture = await _capture(session, event.capture_id)
            upload = await queries.decide(session, capture, "dropped", reason=event.reason)
        await self._tell.captures([(capture, upload)])


async def _capture(session: AsyncSession, id_: UUID) -> models.Capture:
    found = await session.get(models.Capture, id_)
    if found is None:
        raise errors.InvalidMessage(f"there is no capture {id_}")
    return found


def table(
    decisions: Decisions, files: objects.Objects, listening: announcements.Announcements
) -> Mapping[type[events.Event], consumer.LongHandler]:
    return {
        events.ImageRequested: decisions.on_image_requested,
        events.ImageDeclined: decisions.on_image_declined,
        objects.ObjectsCreated: files.on_objects_created,
        rules.MessageRetried: listening.retry,
    }
