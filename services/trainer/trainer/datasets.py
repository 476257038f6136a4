"""Dataset versions: an immutable manifest in S3 and a row. What made a model can be looked up and rebuilt from it."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from strop import storage
from strop_contracts import documents, tables
from strop_edge import disk
from trainer import queries, rules

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
    keys = {str(row.sha256): row.key for row in base}
    captures = {row.sha256: f"capture {row.capture_id}" for row in field}
    items = [_item(sha, labels[sha], part, "base", sha, keys[sha]) for sha, part in base_parts.items()]
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


async def save(session: AsyncSession, store: storage.Storage, project: str, items: Sequence[documents.Item]) -> int:
    """Write the manifest and its row in the caller's transaction; returns the version.

    The counts of the row say how many base images lie under several labels; each of them is logged.
    """
    body = documents.lines(items)
    version = await queries.next_dataset(session, project)
    key = f"{project}/datasets/versions/{version}/manifest.jsonl"
    await store.put(key, body, "application/jsonl")
    row = _row(project, version, key, body, items)
    if found := await conflicts(session, project):
        row.counts = {**row.counts, CONFLICTS: len(found)}
        for each in found:
            log.warning("base_image_label_conflict", project=project, dataset=version, conflict=str(each))
    session.add(row)
    return version


async def take(
    session: AsyncSession, store: storage.Storage, project: str, key: str
) -> tuple[int, list[documents.Item]]:
    """Take the manifest of an order as a dataset version, in the caller's transaction; once, however often it is tried.

    BadManifest when it is missing or cannot be read.
    """
    try:
        body = await store.get(key)
        items = documents.Item.read(body)
    except storage.NoSuchObject as error:
        raise BadManifest(f"the manifest of the order is missing: {error}") from error
    except ValueError as error:
        raise BadManifest(f"the manifest of the order cannot be read: {error}") from error
    if known := await queries.ordered_dataset(session, project, key):
        return known.version, items
    version = await queries.next_dataset(session, project)
    session.add(_row(project, version, key, body, items))
    return version, items


def _row(project: str, version: int, key: str, body: bytes, items: Sequence[documents.Item]) -> tables.DatasetVersion:
    counts = Counter(f"{item.origin}/{item.part}" for item in items)
    return tables.DatasetVersion(
        project=project, version=version, key=key, sha256=storage.digest(body), counts=dict(counts)
    )


async def download(
    store: storage.Storage, project: str, items: Sequence[documents.Item], folder: Path
) -> dict[str, Path]:
    """Bring the images into the content-addressed cache; sha256 -> file. What is there and whole is not fetched again.

    An image that is missing in the bucket has no file then: the training leaves it out, and names it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    places = {item.sha256: folder / item.sha256 for item in items}
    gate = asyncio.Semaphore(DOWNLOADS)

    async def fetch(sha256: str, path: Path) -> None:
        async with gate:
            if await asyncio.to_thread(disk.has, path, sha256):
                return
            with suppress(storage.NoSuchObject):
                data = await store.get(storage.image_key(project, sha256))
                await asyncio.to_thread(disk.write, path, data)

    await asyncio.gather(*(fetch(sha, path) for sha, path in places.items()))
    return places
