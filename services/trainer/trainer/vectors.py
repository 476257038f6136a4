"""Feature vectors in one SQLite file, keyed by backbone, image and view.

Each can be computed again, so a damaged file is deleted. A row has a checksum, since SQLite notices damage only where its own
structure is.
"""

import sqlite3
import zlib
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop_edge import disk

Vector = NDArray[Any]  # float32, or float16 of activations

_CHECKSUM = 4  # bytes, of CRC-32

_SCHEMA = """
create table if not exists features (
    backbone text, sha256 text, view text, vector blob not null, primary key (backbone, sha256, view)
)
"""


class Vectors:
    """The file, opened or created. Several processes may use it. Raises sqlite3.DatabaseError; `renew` helps if it is damaged."""

    def __init__(self, path: Path, backbone: str, dtype: type[np.floating[Any]] = np.float32) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._backbone = backbone
        self._dtype = dtype
        self._database = _open(path)

    def close(self) -> None:
        self._database.close()

    def renew(self) -> None:
        """Begin with an empty file."""
        self._database.close()
        _remove(self._path)
        self._database = _open(self._path)

    def get(self, sha256: str, view: str) -> Vector | None:
        """Return a vector; None when it is not there, or damaged."""
        query = "select vector from features where backbone = ? and sha256 = ? and view = ?"
        with closing(self._database.execute(query, (self._backbone, sha256, view))) as cursor:
            row: tuple[bytes] | None = cursor.fetchone()
        if row is None or _sealed(row[0][:-_CHECKSUM]) != row[0]:
            return None
        return np.frombuffer(row[0][:-_CHECKSUM], self._dtype)

    def put(self, found: Iterable[tuple[str, str, Vector]]) -> None:
        """Write (sha256, view, vector) in one transaction."""
        rows = [(self._backbone, sha256, view, _sealed(vector.tobytes())) for sha256, view, vector in found]
        self._database.execute("begin")
        self._database.executemany("insert or replace into features values (?, ?, ?, ?)", rows)
        self._database.execute("commit")


def _open(path: Path) -> sqlite3.Connection:
    """Open or create the file; one that is no database is replaced."""
    try:
        return _connect(path)
    except sqlite3.DatabaseError as error:
        if not disk.is_damage(error):
            raise
    _remove(path)
    return _connect(path)


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=60, isolation_level=None)
    try:
        for statement in ("pragma journal_mode = wal", "pragma synchronous = normal", _SCHEMA):
            database.execute(statement)
    except sqlite3.Error:
        database.close()
        raise
    return database


def _sealed(vector: bytes) -> bytes:
    return vector + zlib.crc32(vector).to_bytes(_CHECKSUM)
