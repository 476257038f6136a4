"""The spool keeps images on disk until the cloud has answered for each: `drop` or `stored`.

An image is a file named after its capture, written and synced before its row. So after a crash at any point there are
both, or a file without a row, which was never announced and is deleted at the next start. The table is also the
journal: rows stay after their image is deleted, with the last fate of the capture.

kept -> announced -> granted -> uploaded -> stored, or dropped:REASON on the way.

`rows` is the database, `image_files` handles a full disk, `recovery` a start after a crash.
"""

import contextlib
import functools
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from strop_edge import disk, recovery
from strop_wire import messages, reports

P = ParamSpec("P")
T = TypeVar("T")

Image = bytes  # inside the class the word is taken
DATABASE = "spool.db"
DOUBLINGS = 6
"""Doublings of the wait for an answer: from 30 s to half an hour."""
UPLOAD_PATIENCE = 300.0
"""Seconds that a granted upload may take before the capture is announced again, for a fresh URL."""


@dataclass(frozen=True, slots=True)
class Item:
    id: str
    message: bytes


def _freeing_space(method: "Callable[Concatenate[Spool, P], T]") -> "Callable[Concatenate[Spool, P], T]":
    """If the disk is full, delete the oldest images and call the method once more."""

    @functools.wraps(method)
    def tried(self: "Spool", /, *args: P.args, **named: P.kwargs) -> T:
        return self._files.attempt(lambda: method(self, *args, **named))

    return tried


class Spool:
    """Bounded by bytes and by the disk. Thread-safe."""

    def __init__(self, folder: Path, limit: int, answer_after: float = 30.0) -> None:
        """Open or create a spool, and repair it after a crash; `limit` in bytes, `answer_after` in seconds."""
        self._limit, self._answer_after = limit, answer_after
        self._images = folder / "images"
        self._files = recovery.opened(folder / DATABASE, self._images)
        self._rows = self._files.rows

    @property
    def items(self) -> int:
        return self._rows.items

    @property
    def bytes(self) -> int:
        return self._rows.bytes

    @_freeing_space
    def put(self, capture: messages.Capture, data: Image) -> bool:
        """Keep an image; if the spool is full, evict the oldest ones (audits last). Returns False if it can never fit.

        Raises OSError or sqlite3.Error if the write fails; then nothing was kept.
        """
        if len(data) > self._limit:
            self.count_drop("too-large")
            return False
        self._files.keep_reserve(len(data))
        path = self._images / capture.id
        try:
            disk.write(path, data)
            with self._rows.transaction():
                evicted = self._rows.evict(self.bytes + len(data) - self._limit, "full")
                self._rows.insert(capture, len(data))
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self._files.unlink(evicted)
        return True

    @_freeing_space
    def due(self, limit: int) -> list[Item]:
        """Return the captures to announce now; each is due again with a growing delay, until it has its final answer."""
        now = time.monotonic()
        with self._rows.transaction():
            rows = self._rows.due(now, limit)
            self._rows.change(
                "UPDATE captures SET fate = 'announced', tries = tries + 1, due = ? WHERE id = ?",
                [(now + self._patience(tries), id_) for id_, _, tries in rows],
            )
        return [Item(id_, message) for id_, message, _ in rows]

    def _patience(self, tries: int) -> float:
        """Return the seconds until the next announcement: exponential backoff with jitter, so that a fleet does not announce at the same moment."""
        return float(self._answer_after * 2 ** min(tries, DOUBLINGS) * random.uniform(0.75, 1.25))

    def announce_all(self) -> None:
        """Announce every capture again: the broker may have lost earlier announcements."""
        self._files.change(
            "UPDATE captures SET due = 0 WHERE seq = ?",
            self._rows.select("SELECT seq FROM captures WHERE message IS NOT NULL AND fate <> 'granted' AND due > 0"),
        )

    @_freeing_space
    def announce_again(self, id_: str, delay: float) -> None:
        """Announce a capture again in `delay` seconds: its grant could not be used."""
        self._set(id_, "announced", delay)

    @_freeing_space
    def granted(self, ids: Collection[str]) -> set[str]:
        """Record grants; returns the captures to upload, without those whose image is deleted, or was uploaded recently."""
        now = time.monotonic()
        with self._rows.transaction():
            wanted = {id_ for id_ in ids if self._rows.can_upload(id_, now)}
            for id_ in wanted:
                self._rows.set(id_, "granted", now + UPLOAD_PATIENCE)
            for id_ in set(ids) - wanted:
                self._rows.report_again(id_)
        return wanted

    @_freeing_space
    def uploaded(self, id_: str) -> None:
        """Record a finished upload; the image stays until the cloud answers `stored`."""
        self._set(id_, "uploaded", self._patience(0))

    def _set(self, id_: str, fate: str, delay: float) -> None:
        with self._rows.transaction():
            self._rows.set(id_, fate, time.monotonic() + delay)

    def read(self, id_: str) -> Image | None:
        """Return the image; None if it is deleted. A missing file is counted as a drop."""
        with contextlib.suppress(FileNotFoundError):
            return (self._images / id_).read_bytes()
        self._lose(id_)
        return None

    @_freeing_space
    def _lose(self, id_: str) -> None:
        with self._rows.transaction():
            self._rows.drop(id_, "lost-file")

    def free(self, fates: Iterable[tuple[str, str]]) -> None:
        """Release captures that have their final answer: pairs of id and fate, `stored` or `dropped:REASON`.

        Lost ones are not reported any more.
        """
        answered = list(fates)
        try:
            gone = self._settle(answered)
        except sqlite3.Error as error:
            if not self._files.is_full(error):
                raise
            self._files.unlink(id_ for id_, _ in answered)  # they are not needed any more, and this frees space
            gone = self._settle(answered)
        self._files.unlink(gone)

    def _settle(self, fates: Iterable[tuple[str, str]]) -> list[str]:
        with self._rows.transaction():
            return [id_ for id_, fate in fates if self._rows.settle(id_, fate)]

    @_freeing_space
    def count_drop(self, reason: str) -> None:
        """Count an image that was lost before it had a capture."""
        with self._rows.transaction():
            self._rows.count(reason)

    def dropped(self) -> Counter[str]:
        """Return drops by reason since this spool was opened, without those that the cloud decided."""
        return self._rows.dropped()

    def unreported(self, limit: int) -> tuple[reports.Lost, ...]:
        """Return captures that were announced and then lost, and that the cloud has not answered yet."""
        return self._rows.unreported(limit)

    def close(self) -> None:
        self._rows.close()
