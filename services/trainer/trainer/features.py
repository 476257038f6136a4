"""Features of images, computed once and cached by backbone, image and view.

An image's features never change, so a retraining pays only for what is new. Deleting the cache costs time, nothing else.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from strop_edge import disk
from strop_image import decoder, sandbox
from trainer import vectors, views

Features = NDArray[np.float32]

FILE = "features.sqlite"
"""Name of the cache in the folder of what can be computed again."""
THREADS = 2
BATCH = 2
"""Views in one call: larger ones were no quicker, and 8 of them take 400 MB more with the backbone of hosted models."""


@dataclass(frozen=True, slots=True)
class View:
    """One view of one image file; `sha256` is the file's content, verified by who wrote it (`datasets.download`)."""

    sha256: str
    path: Path
    view: str = views.PLAIN


class Unusable(ValueError):
    """An image has no features; the message names it and the reason."""


class Cache:
    """Features of one backbone. Several processes may use the same file."""

    def __init__(
        self, path: Path, backbone: Path | bytes, backbone_sha256: str, dtype: type[np.floating[Any]] = np.float32
    ) -> None:
        """`backbone` is the ONNX file that gives the features, `dtype` their type."""
        self._backbone = backbone
        # A decoder that gives other pixels gives other features.
        self._vectors = vectors.Vectors(path, f"{backbone_sha256} decoder {decoder.VERSION}", dtype)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._vectors.close()

    def get(self, wanted: Sequence[View], progress: Callable[[int, int], None]) -> Features:
        """Return features [len(wanted), features], computing what is missing; Unusable when an image has none.

        `progress` is called with (done, total) of what is missing.
        """
        for sha256, reason in self.fill(wanted, progress).items():
            raise Unusable(f"{sha256}: {reason}")
        return self.read(wanted)

    def read(self, wanted: Sequence[View]) -> Features:
        """Return features that were computed before; Unusable when one is missing."""
        loaded = [vector for w in wanted if (vector := self._vectors.get(w.sha256, w.view)) is not None]
        if len(loaded) < len(wanted):
            raise Unusable("the cache was damaged while it was read")
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
        self._vectors.renew()
        return self._fill(wanted, progress)

    def _fill(self, wanted: Sequence[View], progress: Callable[[int, int], None]) -> dict[str, str]:
        missing = list(dict.fromkeys(w for w in wanted if self._vectors.get(w.sha256, w.view) is None))
        images: dict[str, list[View]] = {}
        for each in missing:
            images.setdefault(each.sha256, []).append(each)
        bad: dict[str, str] = {}
        done = 0
        for seen, found in self._computed(list(images.values()), bad):
            self._vectors.put((w.sha256, w.view, vector) for w, vector in zip(seen, found, strict=False))
            done += len(seen)
            progress(done, len(missing))
        return bad

    def _computed(
        self, images: Sequence[Sequence[View]], bad: dict[str, str]
    ) -> Iterator[tuple[Sequence[View], Features]]:
        """Compute image by image, each on one thread, decoded once for all its views; adds to `bad` what has no features."""
        if not images:
            return
        session = _session(self._backbone)

        def compute(seen: Sequence[View]) -> tuple[Sequence[View], Features]:
            first = seen[0]
            try:
                picture = sandbox.shared().decode(first.path.read_bytes())
            except decoder.BadImage as error:
                bad[first.sha256] = str(error)
                return seen, np.empty((0, 0), np.float32)
            batches = [seen[start : start + BATCH] for start in range(0, len(seen), BATCH)]
            return seen, np.concatenate([_run(session, picture, batch) for batch in batches])

        with ThreadPoolExecutor(THREADS) as pool:
            yield from pool.map(compute, images)


def _run(session: onnxruntime.InferenceSession, picture: Image.Image, batch: Sequence[View]) -> Features:
    pixels = np.stack([views.render(picture, w.view, w.sha256) for w in batch])
    found: Features = session.run(["features"], {"image": pixels})[0]
    return found


def run(graph: bytes, output: str, inputs: dict[str, NDArray[Any]]) -> Features:
    """Run a graph once and return one of its outputs."""
    found: Features = _session(graph).run([output], inputs)[0]
    return found


def _session(backbone: Path | bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # each image has a thread of its own already
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(backbone, options, providers=["CPUExecutionProvider"])
