"""Compares the bucket with the rows, at intervals, because S3's notification of a change may be lost.

What differs is reported to ingest's queue as S3 would report it, so that it is handled like any change. An object is reported
again at each doubling of its age. A row whose image has no object gets it again from a copy, if there is one.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import structlog

from ingest import metrics, notifications, object_keys, queries, uploads
from strop import app, db, inbox, loops, storage
from strop_contracts import errors, keys, tables, topology

log = structlog.get_logger()

ROUNDS = 6
"""A round begins this many times the limit after the one before: a listing of a million objects is a thousand requests."""

SHARE = 20
"""A pause is at least this many times as long as the round before it."""

CONSUMER = "ingest: bucket sweep"


@dataclass(frozen=True, slots=True)
class Difference:
    """An object that differs from the rows, or a row without one."""

    key: str
    since: datetime
    etag: str = ""
    removed: bool = False

    def claim(self, age: float) -> str:
        """Return the key of the claim that this was reported at this age, in multiples of the limit."""
        return f"{self.key} {self.etag} {int(math.log2(age))}"


class BucketSweep:
    """One copy of ingest sweeps at a time."""

    def __init__(self, runtime: app.Runtime) -> None:
        self._sessions = runtime.sessions
        self._bucket = runtime.storage
        self._after = runtime.settings.reconcile_after

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            began = time.monotonic()
            with loops.isolated():
                await self.sweep(datetime.now(UTC))
            await loops.pause(max(ROUNDS * self._after, SHARE * (time.monotonic() - began)), stop)

    async def sweep(self, now: datetime) -> None:
        """Compare every project; what changed within the limit before `now` is left to its notification."""
        async with db.hold(self._sessions, CONSUMER) as lock:
            if lock is None:
                return
            async with self._sessions() as session:
                projects = await queries.sweep.projects(session)
            for project in projects:
                with loops.isolated(project=project):
                    await self._report(self._uploads(project), now)
                    await self._report(self._labels(project), now)
                    await self._report(self._dataset_images(project), now)
                    await self._images(project)

    async def _report(self, found: AsyncIterator[list[Difference]], now: datetime) -> None:
        async for page in found:
            ages = {each: (now - each.since).total_seconds() / self._after for each in page}
            due = {each.claim(age): each for each, age in ages.items() if age >= 1}
            if not due:
                continue
            async with self._sessions.begin() as session:
                claimed = await inbox.claim_all(session, CONSUMER, due)
                bodies = [_notification(due[claim], claim) for claim in sorted(claimed)]
                await db.insert_many(
                    session, tables.Outbox, [{"queue": topology.IMAGES, "body": each} for each in bodies]
                )
            if claimed:
                log.warning(
                    "objects_reported_again", objects=len(claimed), first=min(due[each].key for each in claimed)
                )

    async def _uploads(self, project: str) -> AsyncIterator[list[Difference]]:
        """Yield uploads that are expected, images of no capture, and copies of captures that have a label."""
        async for page in self._bucket.pages(keys.below(project, keys.UPLOADS)):
            named = [(item, each) for item, each in _parsed(page) if isinstance(each, object_keys.FieldImage)]
            wanted = {each.capture for _, each in named if each.capture}
            async with self._sessions() as session:
                rows = await queries.captures.get(session, wanted)
                labels = await queries.sweep.labels(session, wanted)
            yield [_written(item) for item, each in named if _is_open(each, rows, labels)]

    async def _labels(self, project: str) -> AsyncIterator[list[Difference]]:
        """Yield files that lie in the folder of another label than that of their capture, or belong to none."""
        async for page in self._bucket.pages(keys.below(project, keys.LABELED)):
            named = [(item, each) for item, each in _parsed(page) if isinstance(each, object_keys.LabeledImage)]
            wanted = {each.capture for _, each in named if each.capture}
            async with self._sessions() as session:
                rows = await queries.captures.get(session, wanted)
                labels = await queries.sweep.labels(session, wanted)
            yield [_written(item) for item, each in named if not _is_filed(item.key, each, rows, labels)]

    async def _dataset_images(self, project: str) -> AsyncIterator[list[Difference]]:
        """Yield files of base data sets without a row of the same time, and rows without a file."""
        folder = keys.below(project, keys.DATASETS)
        async for page, bounds in _bounded(self._bucket.pages(folder), folder):
            async with self._sessions() as session:
                rows = await queries.sweep.dataset_items(session, project, bounds)
            files = [item for item, each in _parsed(page) if isinstance(each, object_keys.DatasetImage)]
            changed = [item for item in files if item.key not in rows or _is_newer(item, rows[item.key][0])]
            gone = rows.keys() - {item.key for item in page}
            yield [*map(_written, changed), *(Difference(key, rows[key][1], removed=True) for key in sorted(gone))]

    async def _images(self, project: str) -> None:
        """Restore images without an object from a copy; the gauge counts the others."""
        folder, missing = keys.below(project, keys.IMAGES), 0
        async for page, (after, until) in _bounded(self._bucket.pages(folder), folder):
            bounds = after.removeprefix(folder), until.removeprefix(folder) if until is not None else None
            async with self._sessions() as session:
                rows = await queries.sweep.image_hashes(session, project, bounds)
            stored = {item.key.removeprefix(folder) for item in page}
            missing += sum([not await self._restore(project, sha256) for sha256 in sorted(set(rows) - stored)])
        metrics.IMAGES_MISSING.labels(project).set(missing)

    async def _restore(self, project: str, sha256: str) -> bool:
        """Write an image's object again; False if no copy has its bytes."""
        target = keys.image(project, sha256)
        if await self._bucket.size(target) is not None:
            return True  # written since it was listed
        async with self._sessions() as session:
            image = await session.get_one(tables.Image, (project, sha256))
            copies = await queries.sweep.copies(session, project, sha256)
        for key in copies:
            try:
                body = await self._bucket.get(key, limit=image.size)
            except (storage.NoSuchObject, storage.TooLarge):
                continue
            if storage.digest(body) == sha256:
                await self._bucket.put(target, body, image.content_type)
                log.warning("image_restored", project=project, sha256=sha256, copy=key)
                return True
        log.error("image_missing", project=project, sha256=sha256)
        return False


def _notification(difference: Difference, claim: str) -> str:
    """Write the notification. Ingest handles each sequencer of a labelled file once; for base images it orders events."""
    labeled = f"/{keys.LABELED}" in difference.key
    return notifications.write(
        difference.key, difference.since, removed=difference.removed, sequencer=claim if labeled else ""
    )


def _parsed(page: Iterable[storage.Listed]) -> Iterable[tuple[storage.Listed, object_keys.NamedObject | None]]:
    """Pair objects with what their keys name; hidden files and invalid names are left out."""
    for item in page:
        try:
            yield item, object_keys.parse(item.key)
        except errors.InvalidMessage:
            continue  # its notification became a dead letter


Rows = Mapping[UUID, tuple[tables.Capture, tables.Upload | None]]
Labels = Mapping[UUID, str | None]


def _is_open(image: object_keys.FieldImage, rows: Rows, labels: Labels) -> bool:
    """Whether something is to be done about a file among the unlabelled ones."""
    if image.capture is None or image.capture not in rows:
        return True
    _, upload = rows[image.capture]
    return not uploads.is_settled(upload) or labels.get(image.capture) is not None


def _is_filed(key: str, image: object_keys.LabeledImage, rows: Rows, labels: Labels) -> bool:
    if image.capture is None or image.capture not in rows:
        return False
    return labels.get(image.capture) == image.label and key == keys.labeled(rows[image.capture][0], image.label)


def _is_newer(item: storage.Listed, placed_at: datetime) -> bool:
    """Whether an object was written after its row's; a single object's time comes in whole seconds."""
    return item.modified.replace(microsecond=0) > placed_at


def _written(item: storage.Listed) -> Difference:
    return Difference(item.key, item.modified, item.etag)


async def _bounded(
    pages: AsyncIterator[list[storage.Listed]], folder: str
) -> AsyncIterator[tuple[Sequence[storage.Listed], queries.sweep.Bounds]]:
    """Pair the pages of a listing with the keys that they cover, all keys of the folder together."""
    after = folder
    held: list[storage.Listed] = []
    async for page in pages:
        if held:
            yield held, (after, held[-1].key)
            after = held[-1].key
        held = page
    yield held, (after, None)
