"""Kept images wait here, on disk, until the cloud has answered for each: `drop` or `stored`.

An image is a file named after its capture, written and synced before its row; so after a kill at any point there is
either both, or a file without a row, which was never announced and goes at the next start. The table doubles as the
journal: rows stay when their image has gone, with the last fate of the capture.

kept -> announced -> granted -> uploaded -> stored, or dropped:REASON on the way.

Images leave some of the disk free, for the database. When others take that too, the oldest image goes by its file alone,
which makes room to write down that it went; killed in between, the next start finds the file missing and counts it.
"""

import contextlib
import functools
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from strop_edge import disk, salvage
from strop_wire import messages

P = ParamSpec("P")
T = TypeVar("T")

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
CREATE TABLE IF NOT EXISTS untold (id TEXT PRIMARY KEY, reason TEXT NOT NULL);  -- announced, lost, not answered
"""
DOUBLINGS = 6
"""After so many doublings the wait for an answer grows no more: from 30 s to half an hour."""
UPLOAD_PATIENCE = 300.0
"""Seconds that a granted upload may take before the capture is announced again, for a fresh URL."""
JOURNAL = 1_000_000
"""How many of the youngest captures the journal remembers."""
TRIM_EVERY, TRIM = 1_000, 5_000
"""After so many captures it forgets the oldest above that, at most so many at once."""
AT_ONCE = 500
"""Captures that one transaction changes: with all of a large spool the database's log would outgrow the disk."""
RESERVE = 3_000_000
"""Bytes of the disk that images leave free: the database's log grows to 1 MB and one transaction."""
RELIEF = 1_000_000
"""Bytes of images to give up when there is no room for a transaction: more than any of them writes."""

_OLDEST = "SELECT id, size FROM captures WHERE message IS NOT NULL ORDER BY audit, seq"


@dataclass(frozen=True, slots=True)
class Item:
    id: str
    message: bytes


def _with_room(method: "Callable[Concatenate[Spool, P], T]") -> "Callable[Concatenate[Spool, P], T]":
    """When the disk is full, give up the oldest images and do it once more."""

    @functools.wraps(method)
    def tried(self: "Spool", /, *args: P.args, **named: P.kwargs) -> T:
        try:
            return method(self, *args, **named)
        except (OSError, sqlite3.Error) as error:
            if not (self._is_full(error) and self._sacrifice(self._oldest())):
                raise
        return method(self, *args, **named)

    return tried


class Spool:
    """Bounded by bytes, and by the disk; safe from any thread."""

    def __init__(self, folder: Path, limit: int, answer_after: float = 30.0) -> None:
        """Open or create, and repair what a crash left; `limit` in bytes, `answer_after` in seconds."""
        self.items = self.bytes = 0
        self._limit, self._answer_after = limit, answer_after
        self._images = folder / "images"
        self._images.mkdir(parents=True, exist_ok=True)
        self._sacrificed: set[str] = set()  # images whose files have gone, which is still to be written down
        self._lock = threading.RLock()
        disk.sweep(self._images)
        self._db = self._open(folder / DATABASE)
        self._recount()
        is_new = not self._db.execute("PRAGMA user_version").fetchone()[0]
        kept = self._names() | self._sacrificed if is_new else set()
        if is_new:
            self._salvage(disk.aside(folder / DATABASE), kept)
            self._recount()
        self._drops_before = self._drops.copy()
        self._recover(kept)
        self._in_pieces(
            "UPDATE captures SET due = 0, tries = 0 WHERE seq = ?",
            "SELECT seq FROM captures WHERE message IS NOT NULL AND (due > 0 OR tries > 0)",
        )

    def _open(self, path: Path) -> sqlite3.Connection:
        try:
            return disk.database(path, SCHEMA)
        except (OSError, sqlite3.Error) as error:
            # By name is by age; which of them are audits cannot be read yet.
            if not (self._is_full(error) and self._sacrifice(sorted(self._names()))):
                raise
        return disk.database(path, SCHEMA)

    def _salvage(self, damaged: Path, kept: Collection[str]) -> None:
        """Take over what can be read of a database that was put aside. A kill meanwhile: the next start does it again."""
        self._change("INSERT OR IGNORE INTO drops VALUES (?, ?)", list(salvage.drops(damaged)))
        self._change("INSERT OR IGNORE INTO untold VALUES (?, ?)", list(salvage.untold(damaged)))
        rows = [row for row in salvage.captures(damaged) if row[1] in kept]
        for some in _pieces(rows):
            self._change(
                "INSERT OR IGNORE INTO captures (seq, id, audit, size, message, fate) VALUES (?, ?, ?, ?, ?, 'announced')",
                some,
            )

    def _names(self) -> set[str]:
        return {path.name for path in self._images.iterdir()}

    @_with_room
    def _recover(self, kept: Collection[str]) -> None:
        """Drop rows without a whole file, and files without a row: those were never announced, or are `kept` and lost their row."""
        on_disk = {path.name: path.stat().st_size for path in self._images.iterdir()}
        with self._transaction():
            rows = self._db.execute("SELECT id, size FROM captures WHERE message IS NOT NULL").fetchall()
            whole = {id_ for id_, size in rows if on_disk.get(id_) == size}
            for id_, _ in rows:
                if id_ not in whole:
                    self._drop(id_, "lost-file")
            for id_ in set(kept) - {id_ for id_, _ in rows}:
                self._count("lost-database")
                if salvage.is_id(id_):
                    self._owe(id_, "lost-database")
            self._trim()
            self._db.execute("PRAGMA user_version = 1")
        self._unlink(on_disk.keys() - whole)

    @_with_room
    def put(self, capture: messages.Capture, data: bytes) -> bool:
        """Keep an image, at the cost of the oldest ones (audits last) when full; False when it can never fit.

        OSError or sqlite3.Error when the disk does not take it; then nothing was kept.
        """
        if len(data) > self._limit:
            self.count_drop("too-large")
            return False
        self._leave_reserve(len(data))
        path = self._images / capture.id
        try:
            disk.write(path, data)
            with self._transaction():
                evicted = self._evict(self.bytes + len(data) - self._limit, "full")
                self._insert(capture, len(data))
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self._unlink(evicted)
        return True

    def _leave_reserve(self, size: int) -> None:
        """Make way for an image on a disk that is nearly full, whoever filled it."""
        excess = size + RESERVE - disk.room(self._images)
        if excess > 0 and self.items:
            with self._transaction():
                evicted = self._evict(excess, "disk-full")
            self._unlink(evicted)

    def _insert(self, capture: messages.Capture, size: int) -> None:
        added = self._db.execute(
            "INSERT INTO captures (id, audit, size, message) VALUES (?, ?, ?, ?)",
            (capture.id, capture.audit, size, capture.dumps()),
        )
        self.items += 1
        self.bytes += size
        if added.lastrowid and added.lastrowid % TRIM_EVERY == 0:
            self._trim()

    def _trim(self) -> None:
        """Have the journal forget what is too old."""
        self._db.execute(
            "DELETE FROM captures WHERE seq IN (SELECT seq FROM captures "
            "WHERE message IS NULL AND seq <= (SELECT max(seq) FROM captures) - ? ORDER BY seq LIMIT ?)",
            (JOURNAL, TRIM),
        )

    def _evict(self, excess: int, reason: str) -> list[str]:
        gone: list[str] = []
        while excess > 0 and (oldest := self._db.execute(f"{_OLDEST} LIMIT 1").fetchone()):
            self._drop(oldest[0], reason)
            gone.append(oldest[0])
            excess -= oldest[1]
        return gone

    def _oldest(self) -> Iterator[str]:
        for id_, _ in self._db.execute(_OLDEST):
            yield id_

    def _sacrifice(self, oldest: Iterable[str]) -> bool:
        """Delete files of images, since without room nothing can be written down; the next transaction does that."""
        freed = 0
        with self._lock:
            for id_ in oldest:
                with contextlib.suppress(FileNotFoundError):
                    freed += (self._images / id_).stat().st_size
                    (self._images / id_).unlink()
                    self._sacrificed.add(id_)
                if freed >= RELIEF:
                    break
        return freed > 0

    def _is_full(self, error: OSError | sqlite3.Error) -> bool:
        return disk.is_full(error, self._images)

    @_with_room
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
        self._in_pieces(
            "UPDATE captures SET due = 0 WHERE seq = ?",
            "SELECT seq FROM captures WHERE message IS NOT NULL AND fate <> 'granted' AND due > 0",
        )

    def _in_pieces(self, change: str, among: str) -> None:
        with self._lock:
            rows = self._db.execute(among).fetchall()
        for some in _pieces(rows):
            self._change(change, some)

    @_with_room
    def _change(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        with self._transaction():
            self._db.executemany(statement, rows)

    @_with_room
    def announce_again(self, id_: str, delay: float) -> None:
        """Announce this one again in `delay` seconds: its grant was of no use."""
        with self._transaction():
            self._set(id_, "announced", delay)

    @_with_room
    def granted(self, ids: Collection[str]) -> set[str]:
        """Note that uploads are wanted; without those whose image has gone, or was uploaded a moment ago."""
        with self._transaction():
            wanted = {id_ for id_ in ids if self._can_upload(id_)}
            for id_ in wanted:
                self._set(id_, "granted", UPLOAD_PATIENCE)
            for id_ in set(ids) - wanted:
                self._disown(id_)
        return wanted

    def _disown(self, id_: str) -> None:
        """Have the cloud told, once more perhaps, that what it asks for was lost: it may have heard that too early."""
        row = self._db.execute("SELECT fate FROM captures WHERE id = ?", (id_,)).fetchone()
        fate = row[0] if row else "dropped:unknown"
        if fate.startswith("dropped:") and not fate.startswith("dropped:cloud:"):
            self._owe(id_, fate.removeprefix("dropped:"))

    def _owe(self, id_: str, reason: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO untold VALUES (?, ?)", (id_, reason))

    def untold(self, limit: int) -> tuple[messages.Lost, ...]:
        """Captures that were announced and then lost, for which the cloud has not answered yet."""
        with self._lock:
            rows = self._db.execute("SELECT id, reason FROM untold ORDER BY rowid LIMIT ?", (max(limit, 0),)).fetchall()
        return tuple(messages.Lost(*row) for row in rows)

    def _can_upload(self, id_: str) -> bool:
        row = self._db.execute("SELECT fate, due FROM captures WHERE id = ? AND message IS NOT NULL", (id_,)).fetchone()
        return row is not None and not (row[0] == "uploaded" and row[1] > time.monotonic())

    @_with_room
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
        self._lose(id_)
        return None

    @_with_room
    def _lose(self, id_: str) -> None:
        with self._transaction():
            self._drop(id_, "lost-file")

    def free(self, fates: Iterable[tuple[str, str]]) -> None:
        """Let go of captures that have their final answer: pairs of id and fate, `stored` or `dropped:REASON`.

        Of lost ones the cloud need not be told any more.
        """
        answered = list(fates)
        try:
            gone = self._let_go(answered)
        except sqlite3.Error as error:
            if not self._is_full(error):
                raise
            self._unlink(id_ for id_, _ in answered)  # nobody needs these any more, so first of all their room
            gone = self._let_go(answered)
        self._unlink(gone)

    def _let_go(self, fates: Iterable[tuple[str, str]]) -> list[str]:
        gone = []
        with self._transaction():
            for id_, fate in fates:
                self._db.execute("DELETE FROM untold WHERE id = ?", (id_,))
                if self._release(id_, fate):
                    gone.append(id_)
                elif fate == "stored":  # evicted meanwhile, but it did arrive
                    self._db.execute("UPDATE captures SET fate = 'stored' WHERE id = ?", (id_,))
        return gone

    def _drop(self, id_: str, reason: str) -> None:
        if before := self._release(id_, f"dropped:{reason}"):
            self._count(reason)
            if before != "kept":
                self._owe(id_, reason)

    def _release(self, id_: str, fate: str) -> str | None:
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

    @_with_room
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
                for id_ in self._sacrificed:
                    self._drop(id_, "disk-full")
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                self._recount()
                raise
            self._sacrificed.clear()

    def _recount(self) -> None:
        self.items, self.bytes = self._db.execute(
            "SELECT count(*), coalesce(sum(size), 0) FROM captures WHERE message IS NOT NULL"
        ).fetchone()
        self._drops = Counter(dict(self._db.execute("SELECT reason, count FROM drops").fetchall()))

    def _unlink(self, ids: Iterable[str]) -> None:
        for id_ in ids:
            (self._images / id_).unlink(missing_ok=True)


def _pieces(rows: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    return (rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE))
