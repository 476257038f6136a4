"""The spool's database: what is known of each capture, how many were lost, and which the cloud is to be told of. No files."""

import contextlib
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from strop_wire import messages, reports

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
CREATE TABLE IF NOT EXISTS untold (id TEXT PRIMARY KEY, reason TEXT NOT NULL);  -- announced, lost, not answered
"""
JOURNAL = 1_000_000
"""How many of the youngest captures the journal remembers."""
TRIM_EVERY, TRIM = 1_000, 5_000
"""After so many captures it forgets the oldest above that, at most so many at once."""

_OLDEST = "SELECT id, size FROM captures WHERE message IS NOT NULL ORDER BY audit, seq"


class Rows:
    """Safe from any thread. What changes something belongs into a `transaction`."""

    def __init__(self, db: sqlite3.Connection, given_up: set[str]) -> None:
        """`given_up` are captures whose images have gone already: the next transaction writes that down."""
        self.items = self.bytes = 0
        self.lock = threading.RLock()
        self.given_up = given_up
        self._db = db
        self.recount()
        self.count_from_here()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, on the disk and in the totals."""
        with self.lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                for id_ in self.given_up:
                    self.drop(id_, "disk-full")
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                self.recount()
                raise
            self.given_up.clear()

    def change(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement for each of these."""
        self._db.executemany(statement, rows)

    def select(self, query: str) -> list[tuple[Any, ...]]:
        with self.lock:
            return self._db.execute(query).fetchall()

    @property
    def whole(self) -> bool:
        """Whether a start has come to its end with this database."""
        return self.select("PRAGMA user_version") != [(0,)]

    def mark_whole(self) -> None:
        self._db.execute("PRAGMA user_version = 1")

    def close(self) -> None:
        with self.lock:
            self._db.close()

    def insert(self, capture: messages.Capture, size: int) -> None:
        """Write down a new capture, and now and then have the journal forget old ones."""
        added = self._db.execute(
            "INSERT INTO captures (id, audit, size, message) VALUES (?, ?, ?, ?)",
            (capture.id, capture.audit, size, capture.dumps()),
        )
        self.items += 1
        self.bytes += size
        if added.lastrowid and added.lastrowid % TRIM_EVERY == 0:
            self.trim()

    def trim(self) -> None:
        """Have the journal forget what is too old."""
        self._db.execute(
            "DELETE FROM captures WHERE seq IN (SELECT seq FROM captures "
            "WHERE message IS NULL AND seq <= (SELECT max(seq) FROM captures) - ? ORDER BY seq LIMIT ?)",
            (JOURNAL, TRIM),
        )

    def due(self, now: float, limit: int) -> list[tuple[str, bytes, int]]:
        """Captures to announce: id, announcement, and how often that was done."""
        return self._db.execute(
            "SELECT id, message, tries FROM captures WHERE message IS NOT NULL AND due <= ? ORDER BY due, seq LIMIT ?",
            (now, limit),
        ).fetchall()

    def set(self, id_: str, fate: str, due: float) -> None:
        self._db.execute("UPDATE captures SET fate = ?, due = ? WHERE id = ? AND message IS NOT NULL", (fate, due, id_))

    def can_upload(self, id_: str, now: float) -> bool:
        """Whether its image is here, and was not uploaded a moment ago."""
        row = self._db.execute("SELECT fate, due FROM captures WHERE id = ? AND message IS NOT NULL", (id_,)).fetchone()
        return row is not None and not (row[0] == "uploaded" and row[1] > now)

    def settle(self, id_: str, fate: str) -> bool:
        """Write down the cloud's final answer; True when there still was an image, which may go."""
        self._db.execute("DELETE FROM untold WHERE id = ?", (id_,))
        if self.release(id_, fate):
            return True
        if fate == "stored":  # evicted meanwhile, but it did arrive
            self._db.execute("UPDATE captures SET fate = 'stored' WHERE id = ?", (id_,))
        return False

    def release(self, id_: str, fate: str) -> str | None:
        """Let go of an image; returns the fate before, None when it had gone."""
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
        """Captures in the order in which they go when there is no room: audits last."""
        for id_, _ in self._db.execute(_OLDEST):
            yield id_

    def evict(self, excess: int, reason: str) -> list[str]:
        """Drop the oldest, until as many bytes are freed."""
        gone: list[str] = []
        while excess > 0 and (oldest := self._db.execute(f"{_OLDEST} LIMIT 1").fetchone()):
            self.drop(oldest[0], reason)
            gone.append(oldest[0])
            excess -= oldest[1]
        return gone

    def drop(self, id_: str, reason: str) -> None:
        """Lose an image, and count it; once it was announced, the cloud is to be told."""
        if before := self.release(id_, f"dropped:{reason}"):
            self.count(reason)
            if before != "kept":
                self.owe(id_, reason)

    def count(self, reason: str) -> None:
        self._db.execute(
            "INSERT INTO drops VALUES (?, 1) ON CONFLICT (reason) DO UPDATE SET count = count + 1", (reason,)
        )
        self._drops[reason] += 1

    def dropped(self) -> Counter[str]:
        """Drops by reason, of this run."""
        return self._drops - self._drops_before

    def count_from_here(self) -> None:
        """Take all that was dropped so far for an earlier run's."""
        self._drops_before = self._drops.copy()

    def recount(self) -> None:
        """Read the totals."""
        self.items, self.bytes = self._db.execute(
            "SELECT count(*), coalesce(sum(size), 0) FROM captures WHERE message IS NOT NULL"
        ).fetchone()
        self._drops = Counter(dict(self._db.execute("SELECT reason, count FROM drops").fetchall()))

    def owe(self, id_: str, reason: str) -> None:
        """Have the cloud told that this one was lost."""
        self._db.execute("INSERT OR REPLACE INTO untold VALUES (?, ?)", (id_, reason))

    def disown(self, id_: str) -> None:
        """Have the cloud told, once more perhaps, that what it asks for was lost: it may have heard that too early."""
        row = self._db.execute("SELECT fate FROM captures WHERE id = ?", (id_,)).fetchone()
        fate = row[0] if row else "dropped:unknown"
        if fate.startswith("dropped:") and not fate.startswith("dropped:cloud:"):
            self.owe(id_, fate.removeprefix("dropped:"))

    def untold(self, limit: int) -> tuple[reports.Lost, ...]:
        """What the cloud is to be told of and has not answered yet, the longest lost first."""
        with self.lock:
            rows = self._db.execute("SELECT id, reason FROM untold ORDER BY rowid LIMIT ?", (max(limit, 0),)).fetchall()
        return tuple(reports.Lost(*row) for row in rows)
