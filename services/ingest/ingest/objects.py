"""The S3 side: an object appeared in the bucket. Whose is it, is it what it claims to be, and what follows?

S3 tells at least once and says no id, so every step can be repeated: rows say what was done before.
"""

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

import structlog

from ingest import answers, images, places, queries, rules
from strop import db, errors, events, inbox, metrics, models, outbox, storage, traces
from strop_wire import messages

log = structlog.get_logger()

DECODERS = 2
"""Images decoded at a time: each can take 200 MB while it is."""


class ObjectsCreated(events.Event):
    """S3's notification, read as an event: files appeared in the bucket. S3 sends it to ingest's queue itself."""

    objects: tuple[tuple[str, str], ...]  # key, and the sequencer by which S3 orders the events of a key


def loads(body: str) -> events.Event | None:
    """Read a message of ingest's queue: an event of ours, S3's notification, or a device's message that is retried.

    None for S3's test message.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise errors.InvalidMessage(f"not JSON: {error}") from error
    if not isinstance(data, dict) or "name" in data:
        return events.loads(body)
    if data.get("Event") == "s3:TestEvent":
        return None
    if "topic" in data:
        return rules.read_letter(data)
    try:
        created = tuple(_object(record) for record in data["Records"] if "ObjectCreated:" in record["eventName"])
    except (KeyError, TypeError, AttributeError) as error:
        raise errors.InvalidMessage(f"neither an event nor S3's: {type(error).__name__}: {error}") from error
    if not created:
        return None
    key = created[0][0]
    return ObjectsCreated(project=key.partition("/")[0], objects=created, trace=_trace(key))


def _trace(key: str) -> str | None:
    """The trace of the capture that a key names."""
    with suppress(errors.InvalidMessage):  # said when it is handled
        if capture := getattr(places.read(key), "capture", None):
            return traces.of_capture(capture)
    return None


def _object(record: dict[str, Any]) -> tuple[str, str]:
    found = record["s3"]["object"]
    return unquote_plus(found["key"]), str(found.get("sequencer", ""))


class Objects:
    """Handles what appeared; reading and decoding happen outside of any transaction."""

    def __init__(self, make: db.Sessions, store: storage.Storage, tell: answers.Answers) -> None:
        self._make = make
        self._store = store
        self._tell = tell
        self._decoders = asyncio.Semaphore(DECODERS)

    async def on_objects_created(self, event: ObjectsCreated) -> None:
        """Handle each object; one that is invalid does not keep the others from being handled."""
        invalid = []
        for key, sequencer in event.objects:
            try:
                await self._take(key, sequencer)
            except errors.InvalidMessage as error:
                invalid.append(str(error))
        if invalid:
            raise errors.InvalidMessage("; ".join(invalid))

    async def _take(self, key: str, sequencer: str) -> None:
        match places.read(key):
            case places.FieldImage() as field:
                await self._field(key, field)
            case places.LabeledImage() as labeled:
                await self._labeled(key, sequencer, labeled)
            case places.DatasetImage() as item:
                await self._dataset(key, item)
            case None:
                log.debug("object is nobody's upload", key=key)

    # --- a device's upload ---

    async def _field(self, key: str, place: places.FieldImage) -> None:
        capture, upload = await self._capture(key, place.capture)
        expected = places.field_key(capture.project, capture.device, capture.id, capture.content_type)
        if key != expected:
            raise errors.InvalidMessage(f"{key}: the place of this capture is {expected}")
        if upload and upload.state != "granted":
            return  # told before, or a copy moved back
        try:
            body = await self._store.get(key, limit=capture.size)
        except storage.NoSuchObject:
            return  # an earlier delivery took it away
        if reason := places.mismatch(capture.size, capture.sha256, len(body), storage.digest(body)):
            await self._reject(key, capture, reason)
            return
        try:
            checked = await self._check(body, capture.content_type)
        except images.BadImage as error:
            await self._give_up(key, capture, str(error))
            return
        await self._keep(key, capture, body, checked)

    async def _capture(self, key: str, id_: Any) -> tuple[models.Capture, models.Upload | None]:
        async with self._make() as session:
            found = (await queries.captures(session, [id_])).get(id_)
        if found is None:
            raise errors.InvalidMessage(f"{key}: there is no capture {id_}")
        return found

    async def _keep(self, key: str, capture: models.Capture, body: bytes, checked: images.Checked) -> None:
        # The verified bytes themselves: a copy of the object could already be something else.
        await self._store_image(capture.project, capture.sha256, body, checked.content_type)
        async with self._make.begin() as session:
            await queries.add_image(session, capture.project, capture.sha256, len(body), checked)
            upload = await queries.mark_stored(session, capture, key)
            if upload:
                await outbox.add(
                    session,
                    events.ImageStored(
                        project=capture.project,
                        capture_id=capture.id,
                        device=capture.device,
                        sha256=capture.sha256,
                    ),
                )
        if upload:
            metrics.IMAGES_STORED.labels(capture.project).inc()
            metrics.CAPTURE_SECONDS.labels("stored").observe((datetime.now(UTC) - capture.at).total_seconds())
            await self._tell.captures([(capture, upload)])

    async def _reject(self, key: str, capture: models.Capture, reason: str) -> None:
        """Ask for the image again, or drop the capture when that was tried often enough."""
        metrics.IMAGES_REFUSED.labels("mismatch").inc()
        log.warning("upload does not match its announcement", key=key, reason=reason)
        await self._store.delete(key)
        async with self._make.begin() as session:
            upload = await queries.count_attempt(session, capture, reason)
        if upload:
            await self._tell.captures([(capture, upload)])
            if upload.state == "dropped":
                raise errors.InvalidMessage(f"{key}: {reason}, {upload.attempts} times")

    async def _give_up(self, key: str, capture: models.Capture, reason: str) -> None:
        """Drop a capture whose image is what was announced and still of no use. The object stays, to be looked at."""
        metrics.IMAGES_REFUSED.labels("undecodable").inc()
        async with self._make.begin() as session:
            upload = await queries.drop(session, capture, reason)
        if upload:
            await self._tell.captures([(capture, upload)])
        raise errors.InvalidMessage(f"{key}: {reason}")

    # --- a person's move ---

    async def _labeled(self, key: str, sequencer: str, place: places.LabeledImage) -> None:
        """Take the folder for the label, unless the move was ours: then the label is already there."""
        if await self._store.size(key) is None:
            return  # moved on since
        async with self._make.begin() as session:
            found = (await queries.captures(session, [place.capture])).get(place.capture)
            if found is None or found[0].project != place.project:
                raise errors.InvalidMessage(f"{key}: project {place.project} has no capture {place.capture}")
            truth = await session.get(models.GroundTruth, place.capture)
            if truth and truth.label == place.label:
                return
            if await inbox.claim(session, "ingest", f"{key}@{sequencer}"):
                filed = events.LabelFiled(project=place.project, capture_id=place.capture, label=place.label)
                await outbox.add(session, filed)

    # --- a base data set ---

    async def _dataset(self, key: str, place: places.DatasetImage) -> None:
        async with self._make() as session:
            if not await queries.has_project(session, place.project):
                raise errors.InvalidMessage(f"{key}: there is no project {place.project}")
        try:
            body = await self._store.get(key, limit=messages.MAX_IMAGE_BYTES)
        except storage.NoSuchObject:
            return
        sha256 = storage.digest(body)
        try:
            checked = await self._check(body)
        except images.BadImage as error:
            metrics.IMAGES_REFUSED.labels("undecodable").inc()
            async with self._make.begin() as session:
                await queries.put_dataset_item(session, key, place, sha256=None, refused=str(error))
            return
        await self._store_image(place.project, sha256, body, checked.content_type)
        async with self._make.begin() as session:
            await queries.add_image(session, place.project, sha256, len(body), checked)
            await queries.put_dataset_item(session, key, place, sha256=sha256, refused=None)

    # --- both ---

    async def _check(self, body: bytes, announced: str | None = None) -> images.Checked:
        async with self._decoders:
            return await asyncio.to_thread(images.check, body, announced)

    async def _store_image(self, project: str, sha256: str, body: bytes, content_type: str) -> None:
        """Put the bytes where they stay, once."""
        async with self._make() as session:
            known = await queries.has_image(session, project, sha256)
        if not known:
            await self._store.put(storage.image_key(project, sha256), body, content_type)
