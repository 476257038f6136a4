"""Image files into a bucket, several at a time."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from strop import storage

TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
_PARALLEL = 16


async def put(bucket: storage.Storage, files: Mapping[str, Path], sent: Callable[[int], None]) -> None:
    """Upload files by key; `sent` is told how many are there."""
    slots, done = asyncio.Semaphore(_PARALLEL), 0

    async def one(key: str, file: Path) -> None:
        nonlocal done
        async with slots:
            await bucket.put(key, file.read_bytes(), TYPES[file.suffix.lower()])
        done += 1
        sent(done)

    await asyncio.gather(*(one(key, file) for key, file in files.items()))
