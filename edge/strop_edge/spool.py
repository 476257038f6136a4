"""Kept images wait here, on disk, until the cloud has answered for each: `drop` or `stored`.

An image is a file named after its capture, written and synced before its row; so after a kill at any point there is
either both, or a file without a row, which was never announced and goes at the next start. The table doubles as the
journal: rows stay when their image has gone, with the last fate of the capture.

kept -> announced -> granted -> uploaded -> stored, or dropped:REASON on the way.
"""

import contextlib
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from strop_edge import disk
from strop_wire import messages

DATABASE = "spool.db"
SCHEMA = """
CREATE TABLE IF NOT EXISTS captures (
    seq INTEGER PRIMARY KEY,       -- age: the oldest is the smallest
    id TEXT NOT NULL UNIQUE,
    fate TEXT NOT NULL DEFAULT 'kept',
    audit INTEGER NOT NULL,
    size INTEGER NOT NULL,
    message BLOB,                  -- the announcement; NULL when the image has gone
    due REAL NOT NULL DEFAULT 0,   -- when to announce (again), by the monotonic clock of this run
    tries INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS captures_due ON captures (due, seq) WHERE message IS NOT NULL;
CREATE INDEX IF NOT EXISTS captures_age ON captures (audit, seq) WHERE message IS NOT NULL;
CREATE TABLE IF NOT EXISTS drops (reason TEXT PRIMARY KEY, count INTEGER NOT NULL);
"""
DOUBLINGS = 6
"""After so many doublings the wait for an answer grows no more: from 30 s to half an hour."""
UPLOAD_PATIENCE = 300.0
"""Seconds that a granted upload may take before the capture is announced again, for a fresh URL."""
JOURNAL = 1_000_000
"""How many of the youngest captures the journal remembers."""


@dataclass(frozen=True, slots=True)
class Item:
    id: str
    message: bytes


class Spool:
    """Bounded by bytes; every method is one transaction and safe from any thread."""

    def __init__(self, folder: Path, limit: int, answer_after: float = 30.0) -> None:
        """Open or create, and repair what a crash left; `limit` in bytes, `answer_after` in seconds."""
        self.items = self.bytes = 0
        self._limit, self._answer_after = limit, answer_after
        self._images = folder / "images"
        self._images.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db, damaged = disk.database(folder / DATABASE, SCHEMA)
        self._recount()
        self._drops_before = self._drops.copy()
        self._recover(damaged)

    def _recover(self, damaged: bool) -> None:
        on_disk = {entry.name: entry.stat().st_size for entry in os.scandir(self._images)}
        with self._transaction():
            self._db.execute("UPDATE captures SET due = 0, tries = 0 WHERE message IS NOT NULL AND tries > 0")
            rows = self._db.execute("SELECT id, size FROM captures WHERE message IS NOT NULL").fetchall()
            whole = {id_ for id_, size in rows if on_disk.get(id_) == size}
            for id_, _ in rows:
                if id_ not in whole:
                    self._drop(id_, "lost-file")
            if damaged:
                self._count("lost-database", len(on_disk))
            self._db.execute(
                "DELETE FROM captures WHERE message IS NULL AND seq <= (SELECT max(seq) FROM captures) - ?", (JOURNAL,)
            )
        self._unlink(on_disk.keys() - whole)

    def put(self, capture: messages.Capture, data: bytes) -> bool:
        """Keep an image, at the cost of the oldest ones (audits last) when full; False when it can never fit.

        OSError or sqlite3.Error when the disk does not take it; then nothing was kept.
        """
        if len(data) > self._limit:
            self.count_drop("too-large")
            return False
        path = self._images / capture.id
        disk.write(path, data)
        try:
            with self._transaction():
                evicted = self._evict(self.bytes + len(data) - self._limit)
                self._db.execute(
                    "INSERT INTO captures (id, audit, size, message) VALUES (?, ?, ?, ?)",
                    (capture.id, capture.audit, len(data), capture.dumps()),
                )
                self.items += 1
                self.bytes += len(data)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self._unlink(evicted)
        return True

    def _evict(self, excess: int) -> list[str]:
        gone: list[str] = []
        while excess > 0:
            id_, size = self._db.execute(
                "SELECT id, size FROM captures WHERE message IS NOT NULL ORDER BY audit, seq LIMIT 1"
            ).fetchone()
            self._drop(id_, "full")
            gone.append(id_)
            excess -= size
        return gone

    def due(self, limit: int) -> list[Item]:
        """Take the captures to announce now; each comes again, ever later, until it has its final answer."""
        now = time.monotonic()
        with self._transaction():
            rows = self._db.execute(
                "SELECT id, message, tries FROM captures WHERE message IS NOT NULL AND due <= ? ORDER BY due, seq LIMIT ?",
                (now, limit),
            ).fetchall()
            self._db.executemany(
                "UPDATE captures SET fate = 'announced', tries = tries + 1, due = ? WHERE id = ?",
                [(now + self._patience(tries), id_) for id_, _, tries in rows],
            )
        return [Item(id_, message) for id_, message, _ in rows]

    def _patience(self, tries: int) -> float:
        """Seconds until the next announcement: doubling, and jittered so that a fleet does not speak in chorus."""
        return float(self._answer_after * 2 ** min(tries, DOUBLINGS) * random.uniform(0.75, 1.25))

    def announce_all(self) -> None:
        """Let every capture be announced again: the broker may have forgotten what it was told before."""
        with self._transaction():
            self._db.execute("UPDATE captures SET due = 0 WHERE message IS NOT NULL AND fate <> 'granted'")

    def announce_again(self, id_: str, delay: float) -> None:
        """Announce this one again in `delay` seconds: its grant was of no use."""
        with self._transaction():
            self._set(id_, "announced", delay)

    def granted(self, ids: Iterable[str]) -> set[str]:
        """Note that uploads are wanted; without those whose image has gone, or was uploaded a moment ago."""
        with self._transaction():
            wanted = {id_ for id_ in ids if self._can_upload(id_)}
            for id_ in wanted:
                self._set(id_, "granted", UPLOAD_PATIENCE)
        return wanted

    def _can_upload(self, id_: str) -> bool:
        row = self._db.execute("SELECT fate, due FROM captures WHERE id = ? AND message IS NOT NULL", (id_,)).fetchone()
        return row is not None and not (row[0] == "uploaded" and row[1] > time.monotonic())

    def uploaded(self, id_: str) -> None:
        """Note a finished upload; the image stays until the cloud says `stored`."""
        with self._transaction():
            self._set(id_, "uploaded", self._patience(0))

    def _set(self, id_: str, fate: str, delay: float) -> None:
        self._db.execute(
            "UPDATE captures SET fate = ?, due = ? WHERE id = ? AND message IS NOT NULL",
            (fate, time.monotonic() + delay, id_),
        )

    def read(self, id_: str) -> bytes | None:
        """The image; None when the capture has gone. A file that vanished is counted as a drop."""
        with contextlib.suppress(FileNotFoundError):
            return (self._images / id_).read_bytes()
        with self._transaction():
            self._drop(id_, "lost-file")
        return None

    def free(self, fates: Iterable[tuple[str, str]]) -> None:
        """Let go of captures that have their final answer: pairs of id and fate, `stored` or `dropped:REASON`."""
        gone = []
        with self._transaction():
            for id_, fate in fates:
                if self._release(id_, fate):
                    gone.append(id_)
                elif fate == "stored":  # evicted meanwhile, but it did arrive
                    self._db.execute("UPDATE captures SET fate = 'stored' WHERE id = ?", (id_,))
        self._unlink(gone)

    def _drop(self, id_: str, reason: str) -> None:
        if self._release(id_, f"dropped:{reason}"):
            self._count(reason)

    def _release(self, id_: str, fate: str) -> bool:
        row = self._db.execute("SELECT size FROM captures WHERE id = ? AND message IS NOT NULL", (id_,)).fetchone()
        if row is None:
            return False
        self._db.execute("UPDATE captures SET fate = ?, message = NULL WHERE id = ?", (fate, id_))
        self.items -= 1
        self.bytes -= row[0]
        return True

    def count_drop(self, reason: str) -> None:
        """Count an image that was lost before it had a capture."""
        with self._transaction():
            self._count(reason)

    def _count(self, reason: str, times: int = 1) -> None:
        self._db.execute(
            "INSERT INTO drops VALUES (?, ?) ON CONFLICT (reason) DO UPDATE SET count = count + excluded.count",
            (reason, times),
        )
        self._drops[reason] += times

    def dropped(self) -> Counter[str]:
        """Drops by reason since this spool was opened; those the cloud decided are none."""
        return self._drops - self._drops_before

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                self._recount()
                raise

    def _recount(self) -> None:
        self.items, self.bytes = self._db.execute(
            "SELECT count(*), coalesce(sum(size), 0) FROM captures WHERE message IS NOT NULL"
        ).fetchone()
        self._drops = Counter(dict(self._db.execute("SELECT reason, count FROM drops").fetchall()))

    def _unlink(self, ids: Iterable[str]) -> None:
        for id_ in ids:
            (self._images / id_).unlink(missing_ok=True)
