"""The objects of the bucket as files named by their SHA-256. Several backups in one folder share them, so each copies only what is new."""

import asyncio
import gzip
import hashlib
import json
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from strop import storage
from strop_contracts import errors
from strop_edge import disk

_AT_ONCE = 16
"""Objects that are copied at the same time."""


@dataclass(frozen=True, slots=True)
class Item:
    """One object of a backup."""

    key: str
    etag: str  # at the bucket it was read from
    sha256: str
    size: int
    content_type: str


class Blobs:
    """The files of a folder of backups."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256

    def has(self, item: Item) -> bool:
        """Whether the file is there with the right size."""
        path = self.path(item.sha256)
        return path.exists() and path.stat().st_size == item.size

    async def add(self, pieces: AsyncIterator[bytes]) -> tuple[str, int]:
        """Write a file, synced and under its final name once it is complete; returns hash and size."""
        digest, size = hashlib.sha256(), 0
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = self._folder / f".{secrets.token_hex(8)}"
        try:
            with unfinished.open("wb") as file:
                async for piece in pieces:
                    digest.update(piece)
                    size += file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            target = self.path(digest.hexdigest())
            target.parent.mkdir(exist_ok=True)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
        return digest.hexdigest(), size


async def dump(
    bucket: storage.Storage,
    blobs: Blobs,
    listed: Iterable[storage.Listed],
    before: Iterable[Item],
    report: Callable[[int], None],
) -> list[Item]:
    """Copy these objects; those of an earlier backup with the same ETag are not read again. `report` gets the number so far.

    An object that is deleted meanwhile is left out.
    """
    known = {(item.key, item.etag): item for item in before if blobs.has(item)}
    copied: list[Item] = []

    async def copy(each: storage.Listed) -> None:
        item = known.get((each.key, each.etag)) or await _copy(bucket, blobs, each.key)
        if item:
            copied.append(item)
            report(len(copied))

    await _each(copy, listed)
    return sorted(copied, key=lambda item: item.key)


async def _copy(bucket: storage.Storage, blobs: Blobs, key: str) -> Item | None:
    try:
        head = await bucket.head(key)
        if head is None:
            return None
        sha256, size = await blobs.add(bucket.chunks(key))
    except storage.NoSuchObject:
        return None
    return Item(key, head.etag, sha256, size, head.content_type)


async def load(bucket: storage.Storage, blobs: Blobs, items: Iterable[Item], report: Callable[[int], None]) -> None:
    """Write all objects into the bucket."""
    done = 0

    async def put(item: Item) -> None:
        nonlocal done
        body = await asyncio.to_thread(blobs.path(item.sha256).read_bytes)
        await bucket.put(item.key, body, item.content_type)
        done += 1
        report(done)

    await _each(put, items)


def verify(blobs: Blobs, items: Iterable[Item]) -> None:
    """Refused if a file is missing or altered: the error names the object."""
    checked: set[str] = set()
    for item in items:
        if item.sha256 not in checked and not disk.has(blobs.path(item.sha256), item.sha256):
            raise errors.Refused(f"the backup is damaged: {blobs.path(item.sha256)}, the object {item.key}")
        checked.add(item.sha256)


def write(path: Path, items: Iterable[Item]) -> None:
    """Write the list of objects, one JSON document a line."""
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(item)) + "\n" for item in items)


def read(path: Path) -> list[Item]:
    """Read the list of objects."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [Item(**json.loads(line)) for line in file]


_T = TypeVar("_T")


async def _each(work: Callable[[_T], Awaitable[None]], items: Iterable[_T]) -> None:
    """Do the work for every item, _AT_ONCE at a time."""
    queue = iter(items)

    async def worker() -> None:
        for item in queue:
            await work(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(worker())
