"""Image files into a bucket, several at a time."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from strop import storage
from strop_cli import tree

_PARALLEL = 16


async def put(bucket: storage.Storage, files: Mapping[str, Path], sent: Callable[[int], None]) -> dict[str, str]:
    """Upload files by key; `sent` is called with the number that is done. Returns why a file cannot be read, by key."""
    slots, done = asyncio.Semaphore(_PARALLEL), 0
    unreadable: dict[str, str] = {}

    async def one(key: str, file: Path) -> None:
        nonlocal done
        async with slots:
            try:
                body = file.read_bytes()
            except OSError as error:
                unreadable[key] = f"cannot be read: {error.strerror}"
            else:
                await bucket.put(key, body, tree.TYPES[file.suffix.lower()])
        done += 1
        sent(done)

    await asyncio.gather(*(one(key, file) for key, file in files.items()))
    return unreadable
