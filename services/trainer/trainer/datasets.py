"""Dataset versions: an immutable manifest in S3 and a row. What made a model can be looked up and rebuilt from it."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from strop import storage
from strop_contracts import documents, keys, tables
from strop_edge import disk
from trainer import jobs, queries, rules

log = structlog.get_logger()

ASIDE = rules.ASIDE
CONFLICTS = "base/label conflicts"
"""What the counts of a dataset version call base images that lie under several labels."""
DOWNLOADS = 16
"""Images fetched side by side."""


class BadManifest(ValueError):
    """This manifest makes no dataset version."""


async def gather(session: AsyncSession, project: str, until: datetime) -> list[documents.Item]:
    """All labelled images of a project up to a moment, each content once. What is held out is trained on nowhere.

    A base image that lies under several labels has that of its newest place; `conflicts` names it.
    """
    base = await queries.base(session, project)
    base_parts = rules.base_parts((str(row.sha256), row.split) for row in base)
    field = await queries.field(session, project, until)
    shots = [rules.Shot(row.sha256, f"{row.device}/{row.day}", row.phash, row.audit) for row in field]
    field_parts = rules.field_parts(shots, base_parts)
    labels = {row.sha256: row.label for row in [*field, *base]}
    groups = {shot.sha256: shot.place for shot in reversed(shots)}
    sources = {str(row.sha256): row.key for row in base}
    captures = {row.sha256: f"capture {row.capture_id}" for row in field}
    items = [_item(sha, labels[sha], part, "base", sha, sources[sha]) for sha, part in base_parts.items()]
    items += [_item(sha, labels[sha], part, "field", groups[sha], captures[sha]) for sha, part in field_parts.items()]
    return sorted(items, key=lambda item: (item.origin, item.label, item.sha256))


def _item(sha256: str, label: str, part: str, origin: str, group: str, source: str) -> documents.Item:
    return documents.Item(
        sha256=sha256,
        label=label,
        part=documents.Part(part),
        origin=documents.Origin(origin),
        group=group,
        source=source,
    )


@dataclass(frozen=True, slots=True)
class Conflict:
    """A base image that lies under several labels."""

    sha256: str
    label: str  # that of the newest place, which counts
    keys: tuple[str, ...]  # of all places, the newest last

    def __str__(self) -> str:
        """Name the places and the label that counts, in one line."""
        return f"{self.keys[-1]} counts as {self.label!r}, the newest place; the same image is also {', '.join(self.keys[:-1])}"


async def conflicts(session: AsyncSession, project: str) -> list[Conflict]:
    """The base images whose places disagree about the label, by hash."""
    places: dict[str, list[tables.DatasetItem]] = {}
    for row in await queries.base(session, project):
        places.setdefault(str(row.sha256), []).append(row)
    return [
        Conflict(sha256, rows[-1].label, tuple(row.key for row in rows))
        for sha256, rows in sorted(places.items())
        if len({row.label for row in rows}) > 1
    ]


async def draft(
    session: AsyncSession, run: tables.TrainingRun, items: Sequence[documents.Item]
) -> tuple[tables.DatasetVersion, bytes]:
    """Reserve the number of a version for this attempt, in the caller's transaction; returns its row and its manifest.

    The caller commits, stores the manifest under `row.key`, and adds the row under the lease. The counts of the row include
    the base images that lie under several labels; each of them is logged.
    """
    version = await queries.reserve_dataset(session, run)
    manifest = documents.lines(items)
    row = _row(run.project, version, keys.manifest(run.project, version), manifest, items)
    if found := await conflicts(session, run.project):
        row.counts = {**row.counts, CONFLICTS: len(found)}
        for each in found:
            log.warning("base_image_label_conflict", project=run.project, dataset=version, conflict=str(each))
    return row, manifest


async def read(store: storage.Storage, key: str) -> bytes:
    """Read the manifest of an order; BadManifest if it is missing."""
    try:
        return await store.get(key)
    except storage.NoSuchObject as error:
        raise BadManifest(f"the manifest of the order is missing: {error}") from error


async def take(
    session: AsyncSession, run: tables.TrainingRun, key: str, manifest: bytes
) -> tuple[int, list[documents.Item]]:
    """Add an order's manifest as a dataset version, in the caller's transaction; once, however often it is tried.

    BadManifest if it cannot be parsed.
    """
    try:
        items = documents.Item.read(manifest)
    except ValueError as error:
        raise BadManifest(f"the manifest of the order cannot be read: {error}") from error
    if known := await queries.ordered_dataset(session, run.project, key):
        return known.version, items
    version = await queries.reserve_dataset(session, run)
    session.add(_row(run.project, version, key, manifest, items))
    return version, items


def _row(project: str, version: int, key: str, body: bytes, items: Sequence[documents.Item]) -> tables.DatasetVersion:
    counts = Counter(f"{item.origin}/{item.part}" for item in items)
    return tables.DatasetVersion(
        project=project, version=version, key=key, sha256=storage.digest(body), counts=dict(counts)
    )


async def download(
    store: storage.Storage, project: str, items: Sequence[documents.Item], folder: Path
) -> list[jobs.Item]:
    """Bring the images into the content-addressed cache. What is there and whole is not fetched again.

    This is where each image is hashed, once for a training. One that is missing in the bucket, or has other bytes there, gets
    a fault, for which the training leaves it out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    gate = asyncio.Semaphore(DOWNLOADS)

    async def fetch(sha256: str) -> str:
        async with gate:
            return await _fetch(store, keys.image(project, sha256), folder / sha256)

    hashes = list({item.sha256 for item in items})
    faults = dict(zip(hashes, await asyncio.gather(*map(fetch, hashes)), strict=True))
    return [jobs.Item(**item.model_dump(), path=folder / item.sha256, fault=faults[item.sha256]) for item in items]


async def _fetch(store: storage.Storage, key: str, path: Path) -> str:
    """Fetch an image unless its file is whole; returns its fault. The file is named by the hash."""
    if await asyncio.to_thread(disk.has, path, path.name):
        return ""
    try:
        data = await store.get(key)
    except storage.NoSuchObject:
        return "its file is missing"
    if await asyncio.to_thread(storage.digest, data) != path.name:
        return f"its bytes are not those of sha256 {path.name}"
    await asyncio.to_thread(disk.write, path, data)
    return ""
