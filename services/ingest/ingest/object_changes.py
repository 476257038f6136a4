"""Handles objects of the bucket that were written or removed, whatever source reported them.

Events arrive at least once, in any order and without an id, so every step is idempotent: rows show what was done before.
"""

import asyncio
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import structlog

from ingest import by_hand, copies, dataset_images, grant_publisher, image_store, metrics, object_keys, queries, uploads
from strop import db, storage
from strop_contracts import errors, events

log = structlog.get_logger()

CONCURRENCY = 8
"""Objects handled side by side, beside uploads: each may be an image of 20 MiB."""

Object = tuple[str, str]
"""A key, and the sequencer that orders the events of a key."""


class ObjectsChanged(events.Event):
    """Objects were written or removed; an event within ingest: a source reads it from the bucket's notification."""

    objects: tuple[Object, ...]


class ObjectChanges:
    """Handles uploads of devices many at a time, and every other object separately."""

    def __init__(self, sessions: db.Sessions, bucket: storage.Storage, grants: grant_publisher.GrantPublisher) -> None:
        self._sessions = sessions
        self._bucket = bucket
        images = image_store.ImageStore(bucket)
        self._uploads = uploads.Uploads(sessions, bucket, grants, images)
        self._dataset_images = dataset_images.DatasetImages(sessions, bucket, images)
        self._by_hand = by_hand.ByHand(sessions, bucket, images)
        self._copies = copies.Copies(sessions, bucket, self._by_hand)
        self._free = asyncio.Semaphore(CONCURRENCY)

    async def on_objects_changed(self, changes: Sequence[ObjectsChanged]) -> None:
        """Handle each object; PartialFailure names the events with an object that failed."""
        failed: dict[str, Exception] = {}  # by key
        field: dict[Object, tuple[object_keys.FieldImage, datetime]] = {}
        others: dict[Object, Awaitable[None]] = {}
        for (key, sequencer), at in {each: event.at for event in changes for each in event.objects}.items():
            try:
                named = object_keys.parse(key)
            except errors.InvalidMessage as error:
                failed[key] = error
                continue
            match named:
                case object_keys.FieldImage():
                    field[key, sequencer] = named, at
                case object_keys.LabeledImage():
                    others[key, sequencer] = self._copies.labeled(key, sequencer, named, at)
                case object_keys.DatasetImage():
                    others[key, sequencer] = self._dataset_images.update(key, sequencer, named)
                case object_keys.HiddenFile():
                    others[key, sequencer] = self._dataset_images.remove_hidden(key, named)
        arrived = await self._sort(field, others)
        failed |= await self._each(others)
        invalid = [error for error in failed.values() if isinstance(error, errors.InvalidMessage)]
        metrics.IMAGES_REFUSED.labels("unknown").inc(len(invalid))
        failed |= await self._uploads.receive(arrived)
        if failed:
            raise errors.PartialFailure(dict(_by_event(changes, failed)))

    async def _sort(
        self,
        field: Mapping[Object, tuple[object_keys.FieldImage, datetime]],
        others: dict[Object, Awaitable[None]],
    ) -> dict[str, uploads.Row]:
        """Return the uploads that are expected, by key; copies of captures, and images of none, are added to the others."""
        if not field:
            return {}
        async with self._sessions() as session:
            rows = await queries.captures.get(session, {image.capture for image, _ in field.values() if image.capture})
        arrived = {}
        for (key, sequencer), (image, at) in field.items():
            capture, upload = rows.get(image.capture, (None, None)) if image.capture else (None, None)
            if capture is None or capture.project != image.project:
                others[key, sequencer] = self._by_hand.adopt(key, image)
            elif upload and uploads.is_settled(upload):
                others[key, sequencer] = self._copies.raw(key, sequencer, capture, upload, at)
            else:
                arrived[key] = capture, upload
        return arrived

    async def _each(self, others: Mapping[Object, Awaitable[None]]) -> dict[str, Exception]:
        results = await asyncio.gather(*map(self._one, others.values()), return_exceptions=True)
        return {key: error for (key, _), error in zip(others, results, strict=True) if isinstance(error, Exception)}

    async def _one(self, work: Awaitable[None]) -> None:
        async with self._free:
            await work


def _by_event(changes: Sequence[ObjectsChanged], failed: Mapping[str, Exception]) -> Iterator[tuple[UUID, Exception]]:
    """Return the error of each event that has one; of several errors a retryable one, else all reasons."""
    for event in changes:
        match [failed[key] for key, _ in event.objects if key in failed]:
            case []:
                continue
            case [error]:
                yield event.id, error
            case several:
                # A retryable error redelivers the message; what is done by then is not repeated.
                retryable = [each for each in several if not isinstance(each, errors.InvalidMessage)]
                yield event.id, retryable[0] if retryable else errors.InvalidMessage("; ".join(map(str, several)))
