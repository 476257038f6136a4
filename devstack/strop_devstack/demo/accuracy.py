"""Accuracy on the held-out field images, which no model ever saw: the exact files of a model version, run by the agent's code."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from strop import stats
from strop_contracts import documents, errors
from strop_edge import disk, image, model
from strop_image import decoder

BATCH = 32


@dataclass(frozen=True)
class Accuracy:
    """A share with its 95 % interval."""

    value: float
    low: float
    high: float
    right: int
    total: int

    @classmethod
    def of(cls, right: int, total: int) -> "Accuracy":
        share = stats.wilson(right, total)
        assert share, "there are held-out images"
        return cls(share.value, share.low, share.high, right, total)

    def __str__(self) -> str:
        return f"{self.value:.1%}  ({self.low:.1%} to {self.high:.1%}, {self.right} of {self.total})"


def measure(package: Path, heldout: Path) -> Accuracy:
    """Classify every image `heldout/<label>/*` with the model in the folder `package`."""
    loaded = model.Model(package, threads=2)
    files = sorted(heldout.glob("*/*"))
    right = sum(_right(loaded, files[start : start + BATCH]) for start in range(0, len(files), BATCH))
    return Accuracy.of(right, len(files))


def _right(loaded: model.Model, files: Sequence[Path]) -> int:
    found = loaded.predict(np.stack([_pixels(loaded, file) for file in files]))
    return sum(loaded.labels[best] == file.parent.name for best, file in zip(found.argmax(axis=1), files, strict=True))


def _pixels(loaded: model.Model, file: Path) -> image.Pixels:
    try:
        return loaded.prepare(decoder.read(file))
    except decoder.BadImage as error:
        raise errors.Refused(f"{file}: {error}") from error


async def download(storage: Any, files: documents.Files, folder: Path) -> Path:
    """Fetch the files of a model version (`model_versions.files`) into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, file in files.items():
        target = folder / name
        if not disk.has(target, file.sha256):
            disk.write(target, await storage.get(file.key))
    return folder


def sizes(files: documents.Files) -> tuple[int, int]:
    """Bytes of the whole model, and of the head alone: what a retrained model costs a device that has the backbone."""
    return sum(file.size for file in files.values()), files["head.onnx"].size
