"""What devices upload: is each image what was announced, and what follows? Many at a time.

Bytes are read, checked and stored outside of any transaction, and all of it is idempotent: rows show what was done before.
"""

import asyncio
import traceback
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from ingest import grant_publisher, image_store, metrics, queries, rules
from strop import db, outbox, storage
from strop import metrics as kernel_metrics
from strop_contracts import errors, events, keys, states, tables
from strop_image import decoder

log = structlog.get_logger()

CONCURRENCY = 8
"""Images whose bytes are in memory at a time: each may be 20 MiB."""

Known = Collection[tuple[str, str]]
"""Images that are stored, by (project, sha256)."""

Row = tuple[tables.Capture, tables.Upload | None]
"""A capture that a key names, with the decision about its image."""


class Mismatch(ValueError):
    """The bytes differ from the announcement; the message has the difference."""

    def __init__(self, reason: str, etag: str) -> None:
        """`etag`: of the object that was read."""
        super().__init__(reason)
        self.etag = etag


@dataclass(frozen=True, slots=True)
class Verified:
    """An image that equals its announcement and is stored."""

    key: str
    capture: tables.Capture
    checked: image_store.Checked

    def row(self) -> dict[str, Any]:
        """Return its row of `images`."""
        about = {"project": self.capture.project, "sha256": self.capture.sha256, "size": self.capture.size}
        return {**about, **asdict(self.checked)}


class Uploads:
    """Handles uploads; an unusable one does not delay the others."""

    def __init__(
        self,
        sessions: db.Sessions,
        bucket: storage.Storage,
        grants: grant_publisher.GrantPublisher,
        images: image_store.ImageStore,
    ) -> None:
        self._sessions = sessions
        self._bucket = bucket
        self._grants = grants
        self._images = images
        self._free = asyncio.Semaphore(CONCURRENCY)

    async def receive(self, pairs: Mapping[str, Row]) -> dict[str, Exception]:
        """Store the images at these keys in one transaction; returns the error of each key that has one."""
        if not pairs:
            return {}
        async with self._sessions() as session:
            known = await queries.images.known(session, {(each.project, each.sha256) for each, _ in pairs.values()})
        results = await asyncio.gather(*(self._verify(*each, known) for each in pairs.items()), return_exceptions=True)
        await self._store([each for each in results if isinstance(each, Verified)])
        # Only now: if storing fails, all of them are verified again.
        wrong = {key: each for key, each in zip(pairs, results, strict=True) if isinstance(each, BaseException)}
        refused = await asyncio.gather(
            *(self._refuse(key, pairs[key], error) for key, error in wrong.items()), return_exceptions=True
        )
        return {key: error for key, error in zip(wrong, refused, strict=True) if isinstance(error, Exception)}

    async def _verify(self, key: str, row: Row, known: Known) -> Verified | None:
        """Verify the object at a key; None if there is nothing to do."""
        capture, upload = row
        expected = (upload and upload.key) or keys.upload(capture)
        if key != expected:
            raise errors.InvalidMessage(f"{key}: the place of this capture is {expected}")
        async with self._free:
            try:
                checked = await self._check(key, capture, known)
            except Exception as error:
                _release_frames(error)
                raise
        return Verified(key, capture, checked) if checked else None

    async def _check(self, key: str, capture: tables.Capture, known: Known) -> image_store.Checked | None:
        try:
            read = await self._bucket.read(key, limit=capture.size)
        except storage.NoSuchObject:
            return None  # an earlier delivery removed it
        except storage.TooLarge as error:
            raise Mismatch(f"longer than the announced {capture.size} bytes", error.etag) from error
        if reason := rules.mismatch(capture.size, capture.sha256, len(read.body), storage.digest(read.body)):
            raise Mismatch(reason, read.etag)
        checked = await self._images.check(read.body, capture.content_type)
        await self._images.put_missing(capture.project, capture.sha256, read.body, checked, known)
        return checked

    async def _store(self, verified: Sequence[Verified]) -> None:
        """Commit the rows of stored images with their events, then answer the devices."""
        if not verified:
            return
        async with self._sessions.begin() as session:
            await queries.images.add(session, [each.row() for each in verified])
            uploads = await queries.uploads.mark_stored(session, {each.capture.id: each.key for each in verified})
            stored = {each.capture.id: each.capture for each in verified if each.capture.id in uploads}
            await outbox.add(session, *map(_event, stored.values()))
        for capture in stored.values():
            metrics.IMAGES_STORED.labels(capture.project).inc()
            kernel_metrics.CAPTURE_SECONDS.labels("stored").observe((datetime.now(UTC) - capture.at).total_seconds())
        await self._grants.captures((capture, uploads[id_]) for id_, capture in stored.items())

    async def _refuse(self, key: str, row: Row, error: BaseException) -> None:
        """Act on the error of an upload, and raise what the event's outcome depends on."""
        if isinstance(error, Mismatch):
            await self._request_again(key, row, error)
        elif isinstance(error, decoder.BadImage):
            await self._drop(key, row[0], str(error))
        else:
            if isinstance(error, errors.InvalidMessage):
                metrics.IMAGES_REFUSED.labels("unknown").inc()
            raise error

    async def _request_again(self, key: str, row: Row, error: Mismatch) -> None:
        """Request the image again, or drop the capture after `rules.MAX_ATTEMPTS`.

        Another delivery of the event may have done so, and the device may have uploaded again, since the object was read:
        a newer object stays, and one attempt is counted once.
        """
        capture, before = row
        reason = str(error)
        metrics.IMAGES_REFUSED.labels("mismatch").inc()
        log.warning("upload_mismatched", key=key, reason=reason)
        await self._bucket.delete_unchanged(key, error.etag)
        async with self._sessions.begin() as session:
            upload = await queries.uploads.count_attempt(session, capture, reason, before.attempts if before else 0)
        if upload:
            await self._grants.captures([(capture, upload)])
            if upload.state == states.UploadState.DROPPED:
                raise errors.InvalidMessage(f"{key}: {reason}, {upload.attempts} times")

    async def _drop(self, key: str, capture: tables.Capture, reason: str) -> None:
        """Drop a capture whose image equals its announcement and is unusable. The object stays for people to examine."""
        metrics.IMAGES_REFUSED.labels("undecodable").inc()
        async with self._sessions.begin() as session:
            upload = await queries.uploads.drop(session, capture, reason)
        if upload:
            await self._grants.captures([(capture, upload)])
        raise errors.InvalidMessage(f"{key}: {reason}")


def is_settled(upload: tables.Upload | None) -> bool:
    """Whether the image of a capture is not expected any more: it is stored, or dropped for good."""
    return upload is not None and not rules.accepts_image(upload.state, upload.reason)


def _event(capture: tables.Capture) -> events.ImageStored:
    return events.ImageStored(
        project=capture.project, capture_id=capture.id, device=capture.device, sha256=capture.sha256
    )


def _release_frames(error: BaseException | None) -> None:
    """Release the bytes that an error references: its traceback keeps every frame as long as the batch lasts."""
    while error:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__
