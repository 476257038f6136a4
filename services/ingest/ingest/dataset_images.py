"""Images of base data sets: the row of each file follows the object at its key."""

from dataclasses import asdict

import structlog

from ingest import image_store, metrics, object_keys, queries
from strop import db, storage
from strop_contracts import errors
from strop_image import decoder
from strop_wire import messages

log = structlog.get_logger()


class DatasetImages:
    """Keeps `dataset_items` equal to the bucket. I/O happens outside of transactions, except for the last look at the object."""

    def __init__(self, sessions: db.Sessions, bucket: storage.Storage, images: image_store.ImageStore) -> None:
        self._sessions = sessions
        self._bucket = bucket
        self._images = images

    async def update(self, key: str, sequencer: str, image: object_keys.DatasetImage) -> None:
        """Make the row equal to the current object, whatever the event reported.

        So events may arrive late, twice and in any order. A later change of the object has an event of its own.
        """
        current = await self._bucket.head(key)
        outcome = await self._check(key, image) if current else None
        if current and outcome is None:
            return
        async with self._sessions.begin() as session:
            await queries.dataset_items.lock(session, key)
            if await self._bucket.head(key) != current:
                return
            if current and outcome is not None:
                await queries.dataset_items.put(session, key, image, current.modified, sequencer, **outcome)
            elif await queries.dataset_items.remove(session, image.project, key):
                log.info("dataset_image_removed", project=image.project, key=key)

    async def remove_hidden(self, key: str, file: object_keys.HiddenFile) -> None:
        """Delete the row of a hidden file; it may have one from before its name counted as hidden."""
        async with self._sessions.begin() as session:
            await queries.dataset_items.lock(session, key)
            if await queries.dataset_items.remove(session, file.project, key):
                log.info("hidden_dataset_image_removed", project=file.project, key=key)

    async def _check(self, key: str, image: object_keys.DatasetImage) -> dict[str, str] | None:
        """Check and store the image at a key; returns its hash or why it is refused, None if the object is gone."""
        async with self._sessions() as session:
            if not await queries.enrolment.has_project(session, image.project):
                raise errors.InvalidMessage(f"{key}: there is no project {image.project}")
        try:
            body = await self._bucket.get(key, limit=messages.MAX_IMAGE_BYTES)
            checked = await self._images.check(body)
        except storage.NoSuchObject:
            return None
        except (storage.TooLarge, decoder.BadImage) as error:
            metrics.IMAGES_REFUSED.labels("undecodable").inc()
            return {"refused": str(error)}
        sha256 = storage.digest(body)
        await self._store(image.project, sha256, body, checked)
        return {"sha256": sha256}

    async def _store(self, project: str, sha256: str, body: bytes, checked: image_store.Checked) -> None:
        async with self._sessions() as session:
            known = await queries.images.known(session, {(project, sha256)})
        await self._images.put_missing(project, sha256, body, checked, known)
        async with self._sessions.begin() as session:
            row = {"project": project, "sha256": sha256, "size": len(body), **asdict(checked)}
            await queries.images.add(session, [row])
