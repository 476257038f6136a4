"""Writes that survive a crash, a power cut and a full disk, and checks that detect incomplete ones.

The agent, the trainer, the host of models and the command write with this every file that a later start relies on.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import sqlite3
from pathlib import Path
from typing import TextIO

_FULL = {errno.ENOSPC, errno.EDQUOT}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_PERHAPS_FULL = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
"""Error codes of SQLite when it cannot create one of its smaller files; they have other causes, too."""
_NEXT_TO_NOTHING = 64 * 1024
_SUFFIXES = ("", "-wal", "-shm")


class Damaged(sqlite3.DatabaseError):
    """The file opens, and is not a whole database."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def write(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write, sync, rename, sync the folder: afterwards the file is there and whole, whatever happens next.

    `mode` is that of the new file, less the process's umask. Several may write the same file: the last one wins.
    """
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(_create(unfinished, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            unfinished.replace(path)  # while it is locked: `sweep` leaves it alone
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()  # on a full disk it would use the last free bytes
        raise
    sync(path.parent)


def _create(path: Path, mode: int) -> int:
    """Create a file and lock it; again when `sweep` removed it before it was locked."""
    while True:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file).st_nlink:
            return file
        os.close(file)


def has(path: Path, sha256: str) -> bool:
    """Whether the file is there and has this content. A power cut leaves empty and cut files under good names."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except FileNotFoundError:
        return False


def sweep(folder: Path) -> None:
    """Remove what writes that were cut short have left behind, and nothing that is being written now, by any process."""
    for unfinished in folder.glob(".*"):
        with contextlib.suppress(FileNotFoundError, IsADirectoryError, BlockingIOError), unfinished.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unfinished.unlink()


def sync(path: Path) -> None:
    """Bring a file or a folder's entries to the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def free_bytes(folder: Path) -> int:
    """Return the free bytes of the file system of a folder."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def is_full(error: OSError | sqlite3.Error, folder: Path) -> bool:
    """Return whether it failed because the disk is full."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code == sqlite3.SQLITE_FULL or (code in _PERHAPS_FULL and free_bytes(folder) < _NEXT_TO_NOTHING)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether it failed because the file is no whole database."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def database(path: Path, schema: str) -> sqlite3.Connection:
    """Open or create a database; one that is damaged anywhere is put aside, and a new one takes its place.

    The connection may be used from any thread, one at a time, and commits only explicitly.
    """
    try:
        return _connect(path, schema)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
    for suffix in _SUFFIXES:  # first all of an older one: its log must not be taken for this one's
        path.with_name(aside(path).name + suffix).unlink(missing_ok=True)
    for suffix in _SUFFIXES:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).replace(path.with_name(aside(path).name + suffix))
    return _connect(path, schema)


def aside(path: Path) -> Path:
    """Where a damaged database lies afterwards."""
    return path.with_name(f"damaged-{path.name}")


def _connect(path: Path, schema: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA wal_autocheckpoint=250")  # pages of 4 KB: the log stays small
        db.execute("PRAGMA journal_size_limit=1000000")  # more than that is given back
        db.executescript(schema)
        (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise Damaged(found)
    except sqlite3.Error:
        db.close()
        raise
    return db


def lock(folder: Path) -> TextIO:
    """Lock a folder for this process, until the returned file is closed; BlockingIOError if it is locked."""
    file = (folder / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise
    return file
