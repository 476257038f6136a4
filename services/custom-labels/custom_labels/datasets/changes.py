"""Changes of a data set: ordered in a request, carried out when their event comes, as often as it takes.

An update is applied as a whole or not at all. A new data set is written batch by batch (it may have 250,000 lines), and
it is not read before it is complete. Repeating a change writes the same rows again.
"""

import asyncio
import io
import tempfile
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO
from uuid import UUID

import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from custom_labels import buckets
from custom_labels.datasets import copies, loading, manifest
from strop import app, db, outbox
from strop_contracts import documents, events, keys, states
from strop_contracts.tables import HostedChange as Change
from strop_contracts.tables import HostedDataset as Dataset
from strop_contracts.tables import HostedEntry as Entry

log = structlog.get_logger()

BATCH = 256
"""Lines that are processed and written at a time."""

ATTEMPTS = 7
"""A change that broke down this often has failed; SQS would give its message up one receive later."""


def manifest_at(place: documents.S3Object) -> documents.ChangeSource:
    """Return the source of a change that reads a manifest."""
    source = documents.ChangeSource(bucket=place["Bucket"], name=place["Name"])
    if "Version" in place:
        source["version"] = place["Version"]
    return source


async def order(
    session: AsyncSession, dataset: Dataset, kind: states.ChangeKind, source: documents.ChangeSource
) -> UUID:
    """Ask for a change; the caller sets the data set's status and commits. See `tables.HostedChange` for kind and source."""
    change = Change(dataset_id=dataset.id, kind=kind, source=source)
    session.add(change)
    await session.flush()
    await outbox.add(session, events.DatasetChangeRequested(project=dataset.project, change_id=change.id))
    return change.id


class Changes:
    """Carries changes out."""

    def __init__(self, runtime: app.Runtime) -> None:
        self._runtime = runtime
        self._store = runtime.storage
        self._intake = loading.Intake(runtime.storage)

    async def carry_out(self, event: events.DatasetChangeRequested) -> None:
        """Carry a change out, unless it is done or another call is in the middle of it.

        A crash there frees the lock; the event is emitted again as long as the change is not done.
        """
        async with db.hold(self._runtime.sessions, f"data set change {event.change_id}") as lock:
            if lock:
                await self._carry_out(event)

    async def _carry_out(self, event: events.DatasetChangeRequested) -> None:
        found = await self._begin(event.change_id)
        if found is None:
            return
        change, dataset = found
        try:
            if change.attempts > ATTEMPTS:
                await self._fail(change, states.DatasetCode.SERVICE_ERROR, f"Given up after {ATTEMPTS} attempts.")
            else:
                await self._do(change, dataset)
        except manifest.Unusable as error:
            await self._fail(change, states.DatasetCode.CLIENT_ERROR, str(error))
        if change.kind == states.ChangeKind.UPDATE:
            await self._store.delete(keys.change(dataset.project, change.id))

    async def _begin(self, change_id: UUID) -> tuple[Change, Dataset] | None:
        """Count an attempt; None when the change is done, or went with its data set."""
        async with self._runtime.sessions.begin() as session:
            change = await session.get(Change, change_id, with_for_update=True)
            if change is None or change.done_at:
                return None
            change.attempts += 1
            return change, await session.get_one(Dataset, change.dataset_id)

    async def _do(self, change: Change, dataset: Dataset) -> None:
        match change.kind:
            case states.ChangeKind.CREATE:
                await self._create(change, dataset)
            case states.ChangeKind.UPDATE:
                await self._update(change, dataset)
            case states.ChangeKind.COPY:
                await copies.images(self._runtime, UUID(change.source["dataset"]), dataset)
                async with self._runtime.sessions.begin() as session:
                    if await _end(session, change):
                        await copies.entries(session, UUID(change.source["dataset"]), dataset)
            case states.ChangeKind.DISTRIBUTE:
                async with self._runtime.sessions.begin() as session:
                    if await _end(session, change):
                        await copies.distribute(session, UUID(change.source["dataset"]), dataset)

    async def _create(self, change: Change, dataset: Dataset) -> None:
        with tempfile.TemporaryFile() as file:
            await self._fetch(change.source, file)
            total = await asyncio.to_thread(_count, _rewound(file))
            manifest.judge_size(total)
            taken = await self._take_in(dataset, _rewound(file), total)
        manifest.judge_new(total, taken.bad)
        async with self._runtime.sessions.begin() as session:
            await _end(session, change, noted=manifest.counted(total, taken.bad))

    async def _fetch(self, source: documents.ChangeSource, file: BinaryIO) -> None:
        """Get the manifest, or say in AWS's words why not."""
        wanted = documents.S3Object(Bucket=source["bucket"], Name=source["name"])
        if "version" in source:
            wanted["Version"] = source["version"]
        try:
            written = await buckets.download(self._store, wanted, file, manifest.MAX_BYTES)
        except buckets.Unreadable as error:
            if error.code == "AccessDenied":
                reason = "ERROR_INVALID_PERMISSIONS_MANIFEST_S3_BUCKET: The S3 bucket permissions are incorrect."
            else:
                reason = (
                    "ERROR_MANIFEST_INACCESSIBLE_OR_UNSUPPORTED_FORMAT: The manifest file extension or contents are "
                    f"invalid. {error}."
                )
            raise manifest.Unusable(reason) from error
        if written > manifest.MAX_BYTES:
            raise manifest.Unusable(
                "ERROR_MANIFEST_SIZE_TOO_LARGE: The manifest file size exceeds the maximum supported size."
            )

    async def _take_in(self, dataset: Dataset, file: BinaryIO, total: int) -> loading.Taken:
        """Write a whole manifest, batch by batch; returns only what it is judged by."""
        whole, seen = loading.Taken(), _Seen()
        numbered = ((number, manifest.read(raw)) for number, raw in enumerate(manifest.lines(file)))
        for batch in _batches(numbered):
            taken = loading.Taken()
            for _, line in batch:
                seen.add(line)
            await self._intake.take(dataset.project, batch, taken)
            whole.bad += taken.bad
            async with self._runtime.sessions.begin() as session:
                await loading.write(session, dataset, taken)
        log.info("manifest_processed", project=dataset.project, lines=total, bad=whole.bad.total())
        return whole

    async def _update(self, change: Change, dataset: Dataset) -> None:
        body = await self._store.get(keys.change(dataset.project, change.id))
        read = await asyncio.to_thread(_read, body)
        async with self._runtime.sessions() as session:
            start, seen = await _before(session, dataset)
        last = {line.source_ref or f"#{number}": line for number, line in enumerate(read)}  # of those for one image
        lines = [(start + number, line) for number, line in enumerate(last.values())]
        for _, line in lines:
            seen.add(line, again=True)
        taken = loading.Taken()
        for batch in _batches(iter(lines)):
            await self._intake.take(dataset.project, batch, taken)
        manifest.judge(len(lines), taken.bad)
        async with self._runtime.sessions.begin() as session:
            if await _end(session, change, noted=manifest.counted(len(lines), taken.bad)):
                await loading.write(session, dataset, taken)
                count = select(func.count()).select_from(Entry).where(Entry.dataset_id == dataset.id)
                manifest.judge_size(await session.scalar(count) or 0)

    async def _fail(self, change: Change, code: states.DatasetCode, message: str) -> None:
        async with self._runtime.sessions.begin() as session:
            await _end(session, change, code, message)
        log.warning("dataset_change_failed", change=str(change.id), reason=message)


class _Seen:
    """What must hold for a data set as a whole: one bucket, not too many labels, each image once."""

    def __init__(self, bucket: str | None = None, labels: set[str] | None = None) -> None:
        self._buckets = {bucket} if bucket else set()
        self._labels = labels or set()
        self._refs: set[int] = set()  # hashes: 250,000 long names would take much more

    def add(self, line: manifest.Line, *, again: bool = False) -> None:
        """Unusable when the whole breaks a rule. `again`: an image that was there before is replaced."""
        if line.source_ref is None:
            return
        if not again and hash(line.source_ref) in self._refs:
            line.refuse("ERROR_DUPLICATE_SOURCE_REF", f"An image can be referenced once only: {line.source_ref}.")
            line.source_ref = line.bucket = None
            return
        self._refs.add(hash(line.source_ref))
        if line.bucket is None:
            return
        self._buckets.add(line.bucket)
        self._labels.update(line.labels)
        manifest.judge_buckets(self._buckets)
        manifest.judge_labels(self._labels)


async def _before(session: AsyncSession, dataset: Dataset) -> tuple[int, _Seen]:
    """The first free position, and what is in the data set already."""
    mine = Entry.dataset_id == dataset.id
    last = await session.scalar(select(func.max(Entry.position)).where(mine))
    one = await session.scalar(select(Entry.source_ref).where(mine, Entry.sha256.is_not(None)).limit(1))
    labels = await session.scalars(
        select(func.jsonb_array_elements_text(Entry.labels).label("label")).where(mine).distinct()
    )
    return (0 if last is None else last + 1), _Seen(one.split("/")[2] if one else None, set(labels))


async def _end(
    session: AsyncSession,
    change: Change,
    code: states.DatasetCode = states.DatasetCode.SUCCESS,
    message: str = "",
    noted: str = "",
) -> bool:
    """Write how the change ended, in the transaction that applies it; False when it had ended already.

    `noted` goes with the message of a success: what could not be used.
    """
    locked = await session.get_one(Change, change.id, with_for_update=True, populate_existing=True)
    if locked.done_at:
        return False
    locked.done_at = func.now()
    ended = "FAILED" if code != states.DatasetCode.SUCCESS else "COMPLETE"
    touched = [
        change.dataset_id,
        *([UUID(change.source["dataset"])] if change.kind == states.ChangeKind.DISTRIBUTE else []),
    ]
    locked_rows = select(Dataset).where(Dataset.id.in_(touched)).order_by(Dataset.id).with_for_update()
    for dataset in await session.scalars(locked_rows):
        verb = dataset.status.partition("_")[0]  # CREATE or UPDATE
        dataset.status, dataset.code = states.DatasetStatus(f"{verb}_{ended}"), code
        dataset.updated_at = func.now()
        dataset.message = message or f"The dataset was successfully {verb.lower()}d. {noted}".rstrip()
    return True


def _count(file: BinaryIO) -> int:
    return sum(1 for _ in manifest.lines(file))


def _read(body: bytes) -> list[manifest.Line]:
    return [manifest.read(raw) for raw in manifest.lines(io.BytesIO(body))]


def _batches(lines: Iterator[loading.Numbered]) -> Iterator[list[loading.Numbered]]:
    return iter(lambda: list(islice(lines, BATCH)), [])


def _rewound(file: BinaryIO) -> BinaryIO:
    file.seek(0)
    return file
