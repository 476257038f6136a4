"""The spool's database: the captures, how many were lost, and which losses are to be reported. No files."""

import contextlib
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from strop_wire import messages, reports

SCHEMA = """
CREATE TABLE IF NOT EXISTS captures (
    seq INTEGER PRIMARY KEY,       -- age: the smallest is the oldest
    id TEXT NOT NULL UNIQUE,
    fate TEXT NOT NULL DEFAULT 'kept',
    audit INTEGER NOT NULL,
    size INTEGER NOT NULL,
    message BLOB,                  -- the announcement; NULL once the image is deleted
    due REAL NOT NULL DEFAULT 0,   -- when to announce (again), by the monotonic clock of this run
    tries INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS captures_due ON captures (due, seq) WHERE message IS NOT NULL;
CREATE INDEX IF NOT EXISTS captures_age ON captures (audit, seq) WHERE message IS NOT NULL;
CREATE TABLE IF NOT EXISTS drops (reason TEXT PRIMARY KEY, count INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS untold (id TEXT PRIMARY KEY, reason TEXT NOT NULL);  -- announced, lost, not answered
"""
JOURNAL = 1_000_000
"""The newest captures, which the journal keeps."""
TRIM_EVERY, TRIM = 1_000, 5_000
"""The journal is trimmed after so many captures, by at most so many rows."""

_OLDEST = "SELECT id, size FROM captures WHERE message IS NOT NULL ORDER BY audit, seq"


class Rows:
    """Thread-safe. Call methods that change rows in a `transaction`."""

    def __init__(self, db: sqlite3.Connection, deleted: set[str]) -> None:
        """`deleted` are captures whose images are deleted already: the next transaction records it."""
        self.items = self.bytes = 0
        self.lock = threading.RLock()
        self.deleted = deleted
        self._db = db
        self.recount()
        self.count_from_here()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit, or roll back the rows and the totals."""
        with self.lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                for id_ in self.deleted:
                    self.drop(id_, "disk-full")
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                self.recount()
                raise
            self.deleted.clear()

    def change(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement for each row."""
        self._db.executemany(statement, rows)

    def select(self, query: str) -> list[tuple[Any, ...]]:
        with self.lock:
            return self._db.execute(query).fetchall()

    @property
    def whole(self) -> bool:
        """Whether a start was completed with this database."""
        return self.select("PRAGMA user_version") != [(0,)]

    def mark_whole(self) -> None:
        self._db.execute("PRAGMA user_version = 1")

    def close(self) -> None:
        with self.lock:
            self._db.close()

    def insert(self, capture: messages.Capture, size: int) -> None:
        """Insert a capture, and trim the journal now and then."""
        added = self._db.execute(
            "INSERT INTO captures (id, audit, size, message) VALUES (?, ?, ?, ?)",
            (capture.id, capture.audit, size, capture.dumps()),
        )
        self.items += 1
        self.bytes += size
        if added.lastrowid and added.lastrowid % TRIM_EVERY == 0:
            self.trim()

    def trim(self) -> None:
        """Delete old rows of the journal."""
        self._db.execute(
            "DELETE FROM captures WHERE seq IN (SELECT seq FROM captures "
            "WHERE message IS NULL AND seq <= (SELECT max(seq) FROM captures) - ? ORDER BY seq LIMIT ?)",
            (JOURNAL, TRIM),
        )

    def due(self, now: float, limit: int) -> list[tuple[str, bytes, int]]:
        """Return captures to announce: id, announcement, and the number of earlier announcements."""
        return self._db.execute(
            "SELECT id, message, tries FROM captures WHERE message IS NOT NULL AND due <= ? ORDER BY due, seq LIMIT ?",
            (now, limit),
        ).fetchall()

    def set(self, id_: str, fate: str, due: float) -> None:
        self._db.execute("UPDATE captures SET fate = ?, due = ? WHERE id = ? AND message IS NOT NULL", (fate, due, id_))

    def can_upload(self, id_: str, now: float) -> bool:
        """Whether its image is stored here, and was not uploaded recently."""
        row = self._db.execute("SELECT fate, due FROM captures WHERE id = ? AND message IS NOT NULL", (id_,)).fetchone()
        return row is not None and not (row[0] == "uploaded" and row[1] > now)

    def settle(self, id_: str, fate: str) -> bool:
        """Record the cloud's final answer; returns whether there was an image, which may be deleted."""
        self._db.execute("DELETE FROM untold WHERE id = ?", (id_,))
        if self.release(id_, fate):
            return True
        if fate == "stored":  # evicted meanwhile, but uploaded before
            self._db.execute("UPDATE captures SET fate = 'stored' WHERE id = ?", (id_,))
        return False

    def release(self, id_: str, fate: str) -> str | None:
        """Release an image; returns the fate before, None if it was released already."""
        row = self._db.execute(
            "SELECT size, fate FROM captures WHERE id = ? AND message IS NOT NULL", (id_,)
        ).fetchone()
        if row is None:
            return None
        self._db.execute("UPDATE captures SET fate = ?, message = NULL WHERE id = ?", (fate, id_))
        self.items -= 1
        self.bytes -= row[0]
        return str(row[1])

    def oldest(self) -> Iterator[str]:
        """Yield captures in the order of eviction: the oldest first, audits last."""
        for id_, _ in self._db.execute(_OLDEST):
            yield id_

    def evict(self, excess: int, reason: str) -> list[str]:
        """Drop the oldest captures until so many bytes are freed; returns their ids."""
        gone: list[str] = []
        while excess > 0 and (oldest := self._db.execute(f"{_OLDEST} LIMIT 1").fetchone()):
            self.drop(oldest[0], reason)
            gone.append(oldest[0])
            excess -= oldest[1]
        return gone

    def drop(self, id_: str, reason: str) -> None:
        """Release an image and count the drop; one that was announced is reported as lost."""
        if before := self.release(id_, f"dropped:{reason}"):
            self.count(reason)
            if before != "kept":
                self.report_lost(id_, reason)

    def count(self, reason: str) -> None:
        self._db.execute(
            "INSERT INTO drops VALUES (?, 1) ON CONFLICT (reason) DO UPDATE SET count = count + 1", (reason,)
        )
        self._drops[reason] += 1

    def dropped(self) -> Counter[str]:
        """Return the drops of this run by reason."""
        return self._drops - self._drops_before

    def count_from_here(self) -> None:
        """Count all earlier drops as those of an earlier run."""
        self._drops_before = self._drops.copy()

    def recount(self) -> None:
        """Read the totals."""
        self.items, self.bytes = self._db.execute(
            "SELECT count(*), coalesce(sum(size), 0) FROM captures WHERE message IS NOT NULL"
        ).fetchone()
        self._drops = Counter(dict(self._db.execute("SELECT reason, count FROM drops").fetchall()))

    def report_lost(self, id_: str, reason: str) -> None:
        """Report this capture as lost in the next states, until it is answered."""
        self._db.execute("INSERT OR REPLACE INTO untold VALUES (?, ?)", (id_, reason))

    def report_again(self, id_: str) -> None:
        """Report a requested capture as lost, perhaps again: the cloud may have processed the first report before the announcement."""
        row = self._db.execute("SELECT fate FROM captures WHERE id = ?", (id_,)).fetchone()
        fate = row[0] if row else "dropped:unknown"
        if fate.startswith("dropped:") and not fate.startswith("dropped:cloud:"):
            self.report_lost(id_, fate.removeprefix("dropped:"))

    def unreported(self, limit: int) -> tuple[reports.Lost, ...]:
        """Return lost captures that the cloud has not answered yet, the oldest loss first."""
        with self.lock:
            rows = self._db.execute("SELECT id, reason FROM untold ORDER BY rowid LIMIT ?", (max(limit, 0),)).fetchall()
        return tuple(reports.Lost(*row) for row in rows)
