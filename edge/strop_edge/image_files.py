"""The files of images. If the disk is full, for whatever reason, the oldest images are deleted.

Images leave some of the disk free for the database. If other programs use that too, the file of the oldest image is deleted first,
which frees space to record the deletion; if the process is killed in between, the next start detects the missing file and
counts it.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from strop_edge import disk
from strop_edge.rows import Rows

T = TypeVar("T")

RESERVE = 3_000_000
"""Bytes of the disk that images leave free: the database's log grows to 1 MB and one transaction."""
RELIEF = 1_000_000
"""Bytes of images to delete if a transaction does not fit: more than any transaction writes."""
AT_ONCE = 500
"""Captures that one transaction changes: with all of a large spool the database's log would outgrow the disk."""


def delete_oldest(images: Path, oldest: Iterable[str]) -> set[str]:
    """Delete files of images before that is recorded, since no write fits; returns their ids."""
    gone: set[str] = set()
    freed = 0
    for id_ in oldest:
        with contextlib.suppress(FileNotFoundError):
            freed += (images / id_).stat().st_size
            (images / id_).unlink()
            gone.add(id_)
        if freed >= RELIEF:
            break
    return gone


class ImageFiles:
    """A folder of images, and their rows."""

    def __init__(self, images: Path, rows: Rows) -> None:
        self.images, self.rows = images, rows

    def attempt(self, write: Callable[[], T]) -> T:
        """Write; if the disk is full, delete the oldest images and write once more."""
        try:
            return write()
        except (OSError, sqlite3.Error) as error:
            if not (self.is_full(error) and self.free_space()):
                raise
        return write()

    def free_space(self) -> bool:
        """Delete the oldest images; returns whether there were any."""
        with self.rows.lock:
            gone = delete_oldest(self.images, self.rows.oldest())
            self.rows.deleted |= gone
        return bool(gone)

    def is_full(self, error: OSError | sqlite3.Error) -> bool:
        return disk.is_full(error, self.images)

    def change(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement for each row, in several transactions if there are many."""
        for start in range(0, len(rows), AT_ONCE):
            self.attempt(partial(self._change, statement, rows[start : start + AT_ONCE]))

    def _change(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        with self.rows.transaction():
            self.rows.change(statement, rows)

    def keep_reserve(self, size: int) -> None:
        """Delete the oldest images if the next one would use the reserve of the disk."""
        excess = size + RESERVE - disk.free_bytes(self.images)
        if excess > 0 and self.rows.items:
            with self.rows.transaction():
                evicted = self.rows.evict(excess, "disk-full")
            self.unlink(evicted)

    def unlink(self, ids: Iterable[str]) -> None:
        for id_ in ids:
            (self.images / id_).unlink(missing_ok=True)
