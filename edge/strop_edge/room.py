"""The images' files, and room to write on a disk that is full, whoever filled it: the oldest images go.

They leave some of the disk free, for the database. When others take that too, the oldest image goes by its file alone, which
makes room to write down that it went; killed in between, the next start finds the file missing and counts it.
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
"""Bytes of images to give up when there is no room for a transaction: more than any of them writes."""
AT_ONCE = 500
"""Captures that one transaction changes: with all of a large spool the database's log would outgrow the disk."""


def give_up(images: Path, oldest: Iterable[str]) -> set[str]:
    """Delete files of images before anything is written down, since nothing can be; returns which."""
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


class Room:
    """A folder of images, and the rows that know them."""

    def __init__(self, images: Path, rows: Rows) -> None:
        self.images, self.rows = images, rows

    def tried(self, write: Callable[[], T]) -> T:
        """Do it; when the disk is full, give up the oldest images and do it once more."""
        try:
            return write()
        except (OSError, sqlite3.Error) as error:
            if not (self.is_full(error) and self.relieve()):
                raise
        return write()

    def relieve(self) -> bool:
        """Give up the oldest images; whether there were any."""
        with self.rows.lock:
            gone = give_up(self.images, self.rows.oldest())
            self.rows.given_up |= gone
        return bool(gone)

    def is_full(self, error: OSError | sqlite3.Error) -> bool:
        return disk.is_full(error, self.images)

    def change(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement for each of these, however many."""
        for start in range(0, len(rows), AT_ONCE):
            self.tried(partial(self._change, statement, rows[start : start + AT_ONCE]))

    def _change(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        with self.rows.transaction():
            self.rows.change(statement, rows)

    def leave_reserve(self, size: int) -> None:
        """Make way for an image on a disk that is nearly full."""
        excess = size + RESERVE - disk.room(self.images)
        if excess > 0 and self.rows.items:
            with self.rows.transaction():
                evicted = self.rows.evict(excess, "disk-full")
            self.unlink(evicted)

    def unlink(self, ids: Iterable[str]) -> None:
        for id_ in ids:
            (self.images / id_).unlink(missing_ok=True)
