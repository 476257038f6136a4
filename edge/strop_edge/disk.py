"""Writing so that it survives a kill and a power cut, and opening a database that may not have."""

import contextlib
import os
import sqlite3
from pathlib import Path


def write(path: Path, data: bytes) -> None:
    """Write, sync, rename, sync the folder: afterwards the file is there and whole, whatever happens next."""
    unfinished = path.with_name(f".{path.name}")
    with unfinished.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


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
