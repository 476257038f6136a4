"""Images that people put into the folders of captures: no device announced them, so they become captures by their content."""

from dataclasses import asdict
from pathlib import PurePosixPath
from uuid import UUID, uuid5

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import dataset_check, image_store, metrics, object_keys, queries
from strop import db, outbox, storage
from strop_contracts import errors, events, keys, states
from strop_image import decoder
from strop_wire import hidden, messages

log = structlog.get_logger()

_NAMESPACE = UUID("5f0a9f3c-52c5-4d0e-9d5f-2f6f2a7c8f10")
"""Of the ids of these captures: one content of a project is one capture, however often it is handled."""


class ByHand:
    """Makes captures of such files. I/O happens outside of transactions, and all of it is idempotent."""

    def __init__(self, sessions: db.Sessions, bucket: storage.Storage, images: image_store.ImageStore) -> None:
        self._sessions = sessions
        self._bucket = bucket
        self._images = images

    async def adopt(self, key: str, image: object_keys.FieldImage | object_keys.LabeledImage) -> None:
        """Find the capture with the content of a file, or make one, and move the file to that capture's place.

        The event of the moved file does the rest. InvalidMessage for what is no image; a file that is none by its name is
        ignored.
        """
        if PurePosixPath(key).suffix.lower() not in dataset_check.SUFFIXES:
            log.info("object_ignored", key=key, reason=hidden.NO_IMAGE)
            return
        async with self._sessions() as session:
            if not await queries.enrolment.has_project(session, image.project):
                raise errors.InvalidMessage(f"{key}: there is no project {image.project}")
        try:
            read = await self._bucket.read(key, limit=messages.MAX_IMAGE_BYTES)
            checked = await self._images.check(read.body)
        except storage.NoSuchObject:
            return  # moved on
        except (storage.TooLarge, decoder.BadImage) as error:
            metrics.IMAGES_REFUSED.labels("undecodable").inc()
            raise errors.InvalidMessage(f"{key}: {error}") from error
        capture, upload = await self._capture(image.project, read.body, checked)
        place = keys.labeled(capture, image.label) if isinstance(image, object_keys.LabeledImage) else upload.key
        if place and place != key:
            if await self._bucket.size(place) is None:
                await self._bucket.copy(keys.image(image.project, capture.sha256), place)
            await self._bucket.delete_unchanged(key, read.etag)

    async def _capture(self, project: str, body: bytes, checked: image_store.Checked) -> queries.Decided:
        """Return the stored capture of this content; a new one if there is none."""
        sha256 = storage.digest(body)
        async with self._sessions() as session:
            if stored := await queries.captures.of_content(session, project, sha256):
                return stored
            known = await queries.images.known(session, {(project, sha256)})
        await self._images.put_missing(project, sha256, body, checked, known)
        async with self._sessions.begin() as session:
            row = {"project": project, "sha256": sha256, "size": len(body), **asdict(checked)}
            await queries.images.add(session, [row])
            return await _insert(session, project, sha256, len(body), checked)


async def _insert(
    session: AsyncSession, project: str, sha256: str, size: int, checked: image_store.Checked
) -> queries.Decided:
    """Insert the capture and its upload, with the event for its label task, unless another transaction has done so."""
    id_ = uuid5(_NAMESPACE, f"{project}/{sha256}")
    about = {"sha256": sha256, "size": size, "content_type": checked.content_type}
    if await queries.captures.insert_by_hand(session, id_, project, **about):
        capture, _ = (await queries.captures.get(session, [id_]))[id_]
        upload = {"capture_id": id_, "state": states.UploadState.STORED, "key": keys.upload(capture)}
        await queries.uploads.decide(session, [upload])
        stored = events.ImageStored(project=project, capture_id=id_, device=capture.device, sha256=sha256)
        await outbox.add(session, stored)
        metrics.IMAGES_STORED.labels(project).inc()
    capture, decided = (await queries.captures.get(session, [id_]))[id_]
    assert decided, "the upload is inserted with its capture"
    return capture, decided
