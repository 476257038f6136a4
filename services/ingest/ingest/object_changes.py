"""Handles objects of the bucket that were written or removed, whatever source reported them.

Events arrive at least once, in any order and without an id, so every step is idempotent: rows show what was done before.
"""

import asyncio
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import structlog

from ingest import dataset_images, grant_publisher, image_store, metrics, object_keys, queries, uploads
from strop import db, inbox, outbox, storage
from strop_contracts import errors, events, tables

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
        self._free = asyncio.Semaphore(CONCURRENCY)

    async def on_objects_changed(self, changes: Sequence[ObjectsChanged]) -> None:
        """Handle each object; PartialFailure names the events with an object that failed."""
        failed: dict[str, Exception] = {}  # by key
        uploaded: dict[str, object_keys.FieldImage] = {}
        others: dict[Object, Awaitable[None]] = {}
        for (key, sequencer), at in {each: event.at for event in changes for each in event.objects}.items():
            try:
                named = object_keys.parse(key)
            except errors.InvalidMessage as error:
                failed[key] = error
                continue
            match named:
                case object_keys.FieldImage():
                    uploaded[key] = named
                case object_keys.LabeledImage():
                    others[key, sequencer] = self._file_label(key, sequencer, named, at)
                case object_keys.DatasetImage():
                    others[key, sequencer] = self._dataset_images.update(key, sequencer, named)
                case object_keys.HiddenFile():
                    others[key, sequencer] = self._dataset_images.remove_hidden(key, named)
        failed |= await self._each(others)
        invalid = [error for error in failed.values() if isinstance(error, errors.InvalidMessage)]
        metrics.IMAGES_REFUSED.labels("unknown").inc(len(invalid))
        if uploaded:
            failed |= await self._uploads.receive(uploaded)
        if failed:
            raise errors.PartialFailure(dict(_by_event(changes, failed)))

    async def _each(self, others: Mapping[Object, Awaitable[None]]) -> dict[str, Exception]:
        results = await asyncio.gather(*map(self._one, others.values()), return_exceptions=True)
        return {key: error for (key, _), error in zip(others, results, strict=True) if isinstance(error, Exception)}

    async def _one(self, work: Awaitable[None]) -> None:
        async with self._free:
            await work

    async def _file_label(self, key: str, sequencer: str, image: object_keys.LabeledImage, at: datetime) -> None:
        """Publish LabelFiled with the folder's label, unless the ground truth equals it: then Strop moved the file."""
        if (current := await self._bucket.head(key)) is None:
            return  # moved on since
        if key != (target := object_keys.labeled_image(key, image)):
            await self._bucket.copy(key, target)  # whose event follows
            await self._bucket.delete_unchanged(key, current.etag)
            return
        async with self._sessions.begin() as session:
            capture, _ = (await queries.captures.get(session, [image.capture])).get(image.capture, (None, None))
            if capture is None or capture.project != image.project:
                raise errors.InvalidMessage(f"{key}: project {image.project} has no capture {image.capture}")
            truth = await session.get(tables.GroundTruth, image.capture)
            if truth and truth.label == image.label:
                return
            if await inbox.claim(session, "ingest", f"{key}@{sequencer}"):
                # With the time of the move: a person's answer since then is newer.
                filed = events.LabelFiled(project=image.project, capture_id=image.capture, label=image.label, at=at)
                await outbox.add(session, filed)


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
