"""The interface of a training backend: image files in, ONNX files out.

Everything else is the same for all of them: the dataset version, what a package contains, the evaluation on the packaged
files, the gate, and the registry.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from strop_edge import image, manifest
from trainer import jobs

Progress = Callable[[str, int, int], None]
"""Receives a step, and how many of how many are done."""


class CannotTrain(ValueError):
    """No model can be made of these images or with these options; the message is for people."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to train on. `images` are of the part `train` alone; the backend sees no held-out image while it trains."""

    images: Sequence[jobs.Item]
    labels: Sequence[str]  # in the order that the outputs of the model have
    folder: Path  # of the package: the graphs go here
    cache: Path  # a folder that outlives the run; losing it costs time only
    champion: Path | None = None  # the package of the model that runs now: a training may start from it


@dataclass(frozen=True, slots=True)
class Trained:
    """The model. `strop_edge.model` describes the inputs and outputs of the graphs."""

    graphs: tuple[str, ...]  # in the order of their calls, one or two: files in the request's folder, or rebuilt
    input: image.Input
    thresholds: Sequence[float]  # by label: below it a device answers a request with "none"
    assumed: Sequence[float]  # by label: from it on a hosted model answers the label
    novelty: float | None = None  # above it an image shows nothing known; None if the model does not give novelty
    facts: Mapping[str, Any] | None = None  # what else `model.json` records, for people
    rebuilt: Mapping[str, manifest.Rebuilt] = field(default_factory=dict)  # graphs that a device makes of two files

    @property
    def files(self) -> list[str]:
        """What is shipped: files in the request's folder."""
        parts = [part for each in self.rebuilt.values() for part in (each.base, each.delta)]
        return [*parts, *(name for name in self.graphs if name not in self.rebuilt)]

    @property
    def shared(self) -> str | None:
        """The file that models have in common: the first of two graphs, or what that is rebuilt from."""
        return self.files[0] if len(self.graphs) > 1 else None


class Backend(Protocol):
    """Trains models. A run calls `prepare` once, then `train` once, in a process of its own without database and network."""

    def prepare(self, images: Sequence[jobs.Item], cache: Path, progress: Progress) -> dict[str, str]:
        """Read all images, held-out ones too; returns by sha256 why images cannot be used.

        What is computed of an image may be kept in `cache`, by content.
        """

    def train(self, request: Request, progress: Progress) -> Trained:
        """Write the graphs into the request's folder; CannotTrain with the reason. The same request gives the same bytes."""
