"""What devices upload: is each image what it was announced to be, and what follows? Many at a time.

Bytes are read, checked and stored outside of any transaction, and all of it can be repeated: rows say what was done before.
"""

import asyncio
import traceback
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from ingest import answers, images, metrics, originals, places, queries, rules
from strop import db, outbox, storage
from strop import metrics as kernel_metrics
from strop_contracts import errors, events, states, tables
from strop_image import decoder

log = structlog.get_logger()

IN_HAND = 8
"""Images whose bytes are in memory at a time: each may be 20 MiB."""

Known = Collection[tuple[str, str]]
"""Images that are stored, by (project, sha256)."""

Found = tuple[tables.Capture, tables.Upload | None] | None
"""The capture that a key names, with what became of its image."""


class Mismatch(ValueError):
    """These are not the bytes that the device announced; the message says why."""


@dataclass(frozen=True, slots=True)
class Verified:
    """An image that is what was announced, and lies where it stays."""

    key: str
    capture: tables.Capture
    checked: images.Checked

    def row(self) -> dict[str, Any]:
        """Its row of `images`."""
        about = {"project": self.capture.project, "sha256": self.capture.sha256, "size": self.capture.size}
        return {**about, **asdict(self.checked)}


class Uploads:
    """Handles uploads; one that is of no use does not keep the others from being handled."""

    def __init__(
        self, make: db.Sessions, store: storage.Storage, tell: answers.Answers, keep: originals.Originals
    ) -> None:
        self._make = make
        self._store = store
        self._tell = tell
        self._originals = keep
        self._hands = asyncio.Semaphore(IN_HAND)

    async def take(self, arrived: Mapping[str, places.FieldImage]) -> dict[str, Exception]:
        """Store what lies at these keys in one transaction; returns the error of each key that has one."""
        async with self._make() as session:
            found = await queries.captures(session, {place.capture for place in arrived.values()})
            known = await queries.known_images(session, {(each.project, each.sha256) for each, _ in found.values()})
        pairs = {key: found.get(place.capture) for key, place in arrived.items()}
        looked = await asyncio.gather(*(self._look(*each, known) for each in pairs.items()), return_exceptions=True)
        await self._keep([each for each in looked if isinstance(each, Verified)])
        # Only now: when keeping fails, all of them are looked at again.
        wrong = {key: each for key, each in zip(pairs, looked, strict=True) if isinstance(each, BaseException)}
        refused = await asyncio.gather(
            *(self._refuse(key, pairs[key], error) for key, error in wrong.items()), return_exceptions=True
        )
        return {key: error for key, error in zip(wrong, refused, strict=True) if isinstance(error, Exception)}

    async def _look(self, key: str, found: Found, known: Known) -> Verified | None:
        """Verify what lies at a key; None when there is nothing to do."""
        if found is None:
            raise errors.InvalidMessage(f"{key}: there is no capture of this id")
        capture, upload = found
        expected = places.field_key(capture.project, capture.device, capture.id, capture.content_type)
        if key != expected:
            raise errors.InvalidMessage(f"{key}: the place of this capture is {expected}")
        if upload and not rules.may_arrive(upload.state, upload.reason):
            return None  # told before, or a copy moved back
        async with self._hands:
            try:
                checked = await self._verify(key, capture, known)
            except Exception as error:
                _forget(error)
                raise
        return Verified(key, capture, checked) if checked else None

    async def _verify(self, key: str, capture: tables.Capture, known: Known) -> images.Checked | None:
        try:
            body = await self._store.get(key, limit=capture.size)
        except storage.NoSuchObject:
            return None  # an earlier delivery took it away
        except storage.TooLarge as error:
            raise Mismatch(f"longer than the announced {capture.size} bytes") from error
        if reason := places.mismatch(capture.size, capture.sha256, len(body), storage.digest(body)):
            raise Mismatch(reason)
        checked = await self._originals.check(body, capture.content_type)
        if (capture.project, capture.sha256) not in known:
            await self._originals.put(capture.project, capture.sha256, body, checked)
        return checked

    async def _keep(self, verified: Sequence[Verified]) -> None:
        """Write down what is stored, with what follows, and tell the devices."""
        if not verified:
            return
        async with self._make.begin() as session:
            await queries.add_images(session, [each.row() for each in verified])
            uploads = await queries.mark_stored(session, {each.capture.id: each.key for each in verified})
            stored = {each.capture.id: each.capture for each in verified if each.capture.id in uploads}
            await outbox.add(session, *map(_event, stored.values()))
        for capture in stored.values():
            metrics.IMAGES_STORED.labels(capture.project).inc()
            kernel_metrics.CAPTURE_SECONDS.labels("stored").observe((datetime.now(UTC) - capture.at).total_seconds())
        await self._tell.captures((capture, uploads[id_]) for id_, capture in stored.items())

    async def _refuse(self, key: str, found: Found, error: BaseException) -> None:
        """Act on what is wrong with an upload, and raise what is to be said about it."""
        if found and isinstance(error, Mismatch):
            await self._reject(key, found[0], str(error))
        elif found and isinstance(error, decoder.BadImage):
            await self._give_up(key, found[0], str(error))
        else:
            if isinstance(error, errors.InvalidMessage):
                metrics.IMAGES_REFUSED.labels("unknown").inc()
            raise error

    async def _reject(self, key: str, capture: tables.Capture, reason: str) -> None:
        """Ask for the image again, or drop the capture when that was tried often enough."""
        metrics.IMAGES_REFUSED.labels("mismatch").inc()
        log.warning("upload does not match its announcement", key=key, reason=reason)
        await self._store.delete(key)
        async with self._make.begin() as session:
            upload = await queries.count_attempt(session, capture, reason)
        if upload:
            await self._tell.captures([(capture, upload)])
            if upload.state == states.UploadState.DROPPED:
                raise errors.InvalidMessage(f"{key}: {reason}, {upload.attempts} times")

    async def _give_up(self, key: str, capture: tables.Capture, reason: str) -> None:
        """Drop a capture whose image is what was announced and still of no use. The object stays, to be looked at."""
        metrics.IMAGES_REFUSED.labels("undecodable").inc()
        async with self._make.begin() as session:
            upload = await queries.drop(session, capture, reason)
        if upload:
            await self._tell.captures([(capture, upload)])
        raise errors.InvalidMessage(f"{key}: {reason}")


def _event(capture: tables.Capture) -> events.ImageStored:
    return events.ImageStored(
        project=capture.project, capture_id=capture.id, device=capture.device, sha256=capture.sha256
    )


def _forget(error: BaseException | None) -> None:
    """Let go of the bytes that an error holds on to: its traceback keeps every frame, for as long as the batch lasts."""
    while error:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__
