"""Writing so that it survives a kill and a power cut, and opening a database that may not have."""

import contextlib
import fcntl
import os
import sqlite3
from pathlib import Path
from typing import TextIO


def write(path: Path, data: bytes) -> None:
    """Write, sync, rename, sync the folder: afterwards the file is there and whole, whatever happens next."""
    unfinished = path.with_name(f".{path.name}")
    with unfinished.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Bring a file or a folder's entries to the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def database(path: Path, schema: str) -> tuple[sqlite3.Connection, bool]:
    """Open or create a database; one that is damaged is put aside. True when that happened.

    The connection may be used from any thread, one at a time, and commits only where it is told to.
    """
    try:
        return _connect(path, schema), False
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).replace(path.with_name(f"damaged-{path.name}{suffix}"))
    return _connect(path, schema), True


def _connect(path: Path, schema: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.executescript(schema)
    except sqlite3.Error:
        db.close()
        raise
    return db


def lock(folder: Path) -> TextIO:
    """Take a folder for this process alone, until the returned file is closed; BlockingIOError when it is taken."""
    file = (folder / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise
    return file
