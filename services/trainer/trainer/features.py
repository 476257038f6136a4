"""Features of images, computed once: a cache keyed by backbone, image and view in one SQLite file.

An image's features never change, so a retraining pays only for what is new. Deleting the file costs time, nothing else, so
a damaged one is deleted; a row has a checksum, since SQLite notices damage only where its own structure is.
"""

import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from strop_edge import disk, image
from strop_image import decoder
from trainer import views

Features = NDArray[np.float32]

THREADS = 2
BATCH = 2
"""Images in one call: larger ones were no quicker, and 8 of them take 400 MB more with the backbone of hosted models."""

_CHECKSUM = 4  # bytes, of CRC-32

_SCHEMA = """
create table if not exists features (
    backbone text, sha256 text, view text, vector blob not null, primary key (backbone, sha256, view)
)
"""


@dataclass(frozen=True, slots=True)
class View:
    """One view of one image file; `sha256` is the file's content."""

    sha256: str
    path: Path
    view: str = views.PLAIN


class WrongImage(ValueError):
    """A file does not hold the image that the job names."""


class Unusable(ValueError):
    """An image has no features; the message names it and says why."""


class Cache:
    """Features of one backbone. Several processes may use the same file."""

    def __init__(self, path: Path, backbone: Path, backbone_sha256: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._backbone = backbone
        # A decoder that gives other pixels gives other features.
        self._sha256 = f"{backbone_sha256} decoder {decoder.VERSION}"
        self._path = path
        self._database = _open(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def get(self, wanted: Sequence[View], progress: Callable[[int, int], None]) -> Features:
        """Return features [len(wanted), features], computing what is missing; Unusable when an image has none.

        `progress` is called with (done, total) of what is missing.
        """
        for sha256, reason in self.fill(wanted, progress).items():
            raise Unusable(f"{sha256}: {reason}")
        loaded = [vector for w in wanted if (vector := self._load(w)) is not None]
        return np.stack(loaded) if wanted else np.empty((0, 0), np.float32)

    def fill(self, wanted: Sequence[View], progress: Callable[[int, int], None]) -> dict[str, str]:
        """Compute what is missing; returns by sha256 why images have no features: they cannot be decoded.

        A damaged file is replaced, and everything in it computed again.
        """
        try:
            return self._fill(wanted, progress)
        except sqlite3.DatabaseError as error:
            if not disk.is_damage(error):
                raise
        self._database.close()
        _remove(self._path)
        self._database = _open(self._path)
        return self._fill(wanted, progress)

    def _fill(self, wanted: Sequence[View], progress: Callable[[int, int], None]) -> dict[str, str]:
        missing = list({(w.sha256, w.view): w for w in wanted if self._load(w) is None}.values())
        bad: dict[str, str] = {}
        for done, (batch, found) in enumerate(self._computed(missing, bad), 1):
            self._put(batch, found)
            progress(min(done * BATCH, len(missing)), len(missing))
        return bad

    def _computed(self, missing: Sequence[View], bad: dict[str, str]) -> Iterator[tuple[Sequence[View], Features]]:
        """Compute in batches, each batch on one thread from file to features; adds to `bad` what has none."""
        if not missing:
            return
        session = _session(self._backbone)

        def compute(batch: Sequence[View]) -> tuple[Sequence[View], Features]:
            seen = {}
            for each in batch:
                try:
                    seen[each] = _pixels(each)
                except (WrongImage, decoder.BadImage) as error:
                    bad[each.sha256] = str(error)
            if not seen:
                return [], np.empty((0, 0), np.float32)
            return list(seen), session.run(["features"], {"image": np.stack(list(seen.values()))})[0]

        batches = [missing[start : start + BATCH] for start in range(0, len(missing), BATCH)]
        with ThreadPoolExecutor(THREADS) as pool:
            yield from pool.map(compute, batches)

    def _load(self, wanted: View) -> Features | None:
        """None when it is not there, or damaged."""
        query = "select vector from features where backbone = ? and sha256 = ? and view = ?"
        with closing(self._database.execute(query, (self._sha256, wanted.sha256, wanted.view))) as cursor:
            row: tuple[bytes] | None = cursor.fetchone()
        if row is None or _sealed(row[0][:-_CHECKSUM]) != row[0]:
            return None
        return np.frombuffer(row[0][:-_CHECKSUM], np.float32)

    def _put(self, batch: Sequence[View], found: Features) -> None:
        rows = [
            (self._sha256, w.sha256, w.view, _sealed(vector.tobytes())) for w, vector in zip(batch, found, strict=True)
        ]
        self._database.execute("begin")
        self._database.executemany("insert or replace into features values (?, ?, ?, ?)", rows)
        self._database.execute("commit")


def read(path: Path, sha256: str) -> bytes:
    """Return the bytes of an image; WrongImage when they are not there, or others."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise WrongImage("its file is missing") from error
    if image.sha256(data) != sha256:
        raise WrongImage(f"its bytes are not those of sha256 {sha256}")
    return data


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


def _pixels(wanted: View) -> image.Pixels:
    return views.render(image.load(read(wanted.path, wanted.sha256)), wanted.view, wanted.sha256)


def _session(backbone: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # each batch has a thread of its own already
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(backbone, options, providers=["CPUExecutionProvider"])
