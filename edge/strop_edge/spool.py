"""Kept images wait here, on disk, until the cloud has answered for each: `drop` or `stored`.

An image is a file named after its capture, written and synced before its row; so after a kill at any point there is
either both, or a file without a row, which was never announced and goes at the next start. The table doubles as the
journal: rows stay when their image has gone, with the last fate of the capture.

kept -> announced -> granted -> uploaded -> stored, or dropped:REASON on the way.

`rows` is the database, `room` what happens when the disk is full, `recovery` what happens at the start.
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
"""After so many doublings the wait for an answer grows no more: from 30 s to half an hour."""
UPLOAD_PATIENCE = 300.0
"""Seconds that a granted upload may take before the capture is announced again, for a fresh URL."""


@dataclass(frozen=True, slots=True)
class Item:
    id: str
    message: bytes


def _with_room(method: "Callable[Concatenate[Spool, P], T]") -> "Callable[Concatenate[Spool, P], T]":
    """When the disk is full, give up the oldest images and do it once more."""

    @functools.wraps(method)
    def tried(self: "Spool", /, *args: P.args, **named: P.kwargs) -> T:
        return self._room.tried(lambda: method(self, *args, **named))

    return tried


class Spool:
    """Bounded by bytes, and by the disk; safe from any thread."""

    def __init__(self, folder: Path, limit: int, answer_after: float = 30.0) -> None:
        """Open or create, and repair what a crash left; `limit` in bytes, `answer_after` in seconds."""
        self._limit, self._answer_after = limit, answer_after
        self._images = folder / "images"
        self._room = recovery.opened(folder / DATABASE, self._images)
        self._rows = self._room.rows

    @property
    def items(self) -> int:
        return self._rows.items

    @property
    def bytes(self) -> int:
        return self._rows.bytes

    @_with_room
    def put(self, capture: messages.Capture, data: Image) -> bool:
        """Keep an image, at the cost of the oldest ones (audits last) when full; False when it can never fit.

        OSError or sqlite3.Error when the disk does not take it; then nothing was kept.
        """
        if len(data) > self._limit:
            self.count_drop("too-large")
            return False
        self._room.leave_reserve(len(data))
        path = self._images / capture.id
        try:
            disk.write(path, data)
            with self._rows.transaction():
                evicted = self._rows.evict(self.bytes + len(data) - self._limit, "full")
                self._rows.insert(capture, len(data))
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self._room.unlink(evicted)
        return True

    @_with_room
    def due(self, limit: int) -> list[Item]:
        """Take the captures to announce now; each comes again, ever later, until it has its final answer."""
        now = time.monotonic()
        with self._rows.transaction():
            rows = self._rows.due(now, limit)
            self._rows.change(
                "UPDATE captures SET fate = 'announced', tries = tries + 1, due = ? WHERE id = ?",
                [(now + self._patience(tries), id_) for id_, _, tries in rows],
            )
        return [Item(id_, message) for id_, message, _ in rows]

    def _patience(self, tries: int) -> float:
        """Seconds until the next announcement: doubling, and jittered so that a fleet does not speak in chorus."""
        return float(self._answer_after * 2 ** min(tries, DOUBLINGS) * random.uniform(0.75, 1.25))

    def announce_all(self) -> None:
        """Let every capture be announced again: the broker may have forgotten what it was told before."""
        self._room.change(
            "UPDATE captures SET due = 0 WHERE seq = ?",
            self._rows.select("SELECT seq FROM captures WHERE message IS NOT NULL AND fate <> 'granted' AND due > 0"),
        )

    @_with_room
    def announce_again(self, id_: str, delay: float) -> None:
        """Announce this one again in `delay` seconds: its grant was of no use."""
        self._set(id_, "announced", delay)

    @_with_room
    def granted(self, ids: Collection[str]) -> set[str]:
        """Note that uploads are wanted; without those whose image has gone, or was uploaded a moment ago."""
        now = time.monotonic()
        with self._rows.transaction():
            wanted = {id_ for id_ in ids if self._rows.can_upload(id_, now)}
            for id_ in wanted:
                self._rows.set(id_, "granted", now + UPLOAD_PATIENCE)
            for id_ in set(ids) - wanted:
                self._rows.disown(id_)
        return wanted

    @_with_room
    def uploaded(self, id_: str) -> None:
        """Note a finished upload; the image stays until the cloud says `stored`."""
        self._set(id_, "uploaded", self._patience(0))

    def _set(self, id_: str, fate: str, delay: float) -> None:
        with self._rows.transaction():
            self._rows.set(id_, fate, time.monotonic() + delay)

    def read(self, id_: str) -> Image | None:
        """The image; None when the capture has gone. A file that vanished is counted as a drop."""
        with contextlib.suppress(FileNotFoundError):
            return (self._images / id_).read_bytes()
        self._lose(id_)
        return None

    @_with_room
    def _lose(self, id_: str) -> None:
        with self._rows.transaction():
            self._rows.drop(id_, "lost-file")

    def free(self, fates: Iterable[tuple[str, str]]) -> None:
        """Let go of captures that have their final answer: pairs of id and fate, `stored` or `dropped:REASON`.

        Of lost ones the cloud need not be told any more.
        """
        answered = list(fates)
        try:
            gone = self._settle(answered)
        except sqlite3.Error as error:
            if not self._room.is_full(error):
                raise
            self._room.unlink(id_ for id_, _ in answered)  # nobody needs these any more, so first of all their room
            gone = self._settle(answered)
        self._room.unlink(gone)

    def _settle(self, fates: Iterable[tuple[str, str]]) -> list[str]:
        with self._rows.transaction():
            return [id_ for id_, fate in fates if self._rows.settle(id_, fate)]

    @_with_room
    def count_drop(self, reason: str) -> None:
        """Count an image that was lost before it had a capture."""
        with self._rows.transaction():
            self._rows.count(reason)

    def dropped(self) -> Counter[str]:
        """Drops by reason since this spool was opened; those the cloud decided are none."""
        return self._rows.dropped()

    def untold(self, limit: int) -> tuple[reports.Lost, ...]:
        """Captures that were announced and then lost, for which the cloud has not answered yet."""
        return self._rows.untold(limit)

    def close(self) -> None:
        self._rows.close()
