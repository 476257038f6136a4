"""`model.json`: what a model package consists of, its input, its labels and its thresholds."""

import base64
import json
from dataclasses import dataclass
from typing import Any, Self

from strop_edge import image
from strop_wire import fields, messages

MAX_BYTES = 16 * 1024 * 1024
"""Of model.json."""
MAX_SAMPLES = 32
GRAPHS = ["backbone.onnx", "head.onnx"]
"""Where model.json does not name them: packages older than `graphs`."""


class BadModel(ValueError):
    """This package must not run."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An image in the package, and the probabilities that the model gave where it was trained."""

    jpeg: bytes
    probabilities: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A graph that is not a file of the package: `delta.rebuild` makes it from two that are."""

    base: str
    delta: str
    result: messages.ModelFile  # its hash and size


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of `model.json`; unknown keys are ignored, except in `input`."""

    version: str
    labels: tuple[str, ...]  # in the order of the probabilities
    input: image.Input
    graphs: tuple[str, ...]  # ONNX files in the order of their calls: one, or two where the first gives `features`
    thresholds: dict[str, float]  # by label: below it the answer to a request is "none"; 0 where missing
    assumed_thresholds: dict[str, float]  # by label: from it on a hosted model answers the label; 0 where missing
    novelty: float | None  # above it an image shows nothing known; None where the model does not give novelty
    files: dict[str, messages.ModelFile]  # all files of the package but model.json
    rebuilt: dict[str, Rebuilt]  # graphs by name that are made of two of the files
    samples: tuple[Sample, ...]

    @classmethod
    def loads(cls, data: bytes) -> Self:
        """Parse and check; BadModel with the reason."""
        try:
            if len(data) > MAX_BYTES:
                raise BadModel(f"{len(data)} bytes are over the limit of {MAX_BYTES}")
            return cls._read(json.loads(data))
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise BadModel(f"model.json: {type(error).__name__}: {error}") from error

    def sha256(self, graph: str) -> str:
        """Hash of a graph, a file of the package or rebuilt."""
        return (self.rebuilt[graph].result if graph in self.rebuilt else self.files[graph]).sha256

    @classmethod
    def _read(cls, data: dict[str, Any]) -> Self:
        files = messages.model_files(data["files"])
        rebuilt = _rebuilt(data.get("rebuilt") or {}, files)
        return cls(
            version=fields.text(data, "version", 64),
            labels=_labels(data["labels"]),
            input=image.Input.read(data["input"]),
            graphs=_graphs(data.get("graphs", GRAPHS), {*files, *rebuilt}),
            thresholds=_shares(data["thresholds"]),
            assumed_thresholds=_shares(data.get("assumed_thresholds", {})),
            novelty=fields.number(data["novelty"], "threshold", -1e9, 1e9) if data.get("novelty") else None,
            files=files,
            rebuilt=rebuilt,
            samples=tuple(
                Sample(base64.b64decode(item["jpeg"]), tuple(float(p) for p in item["probabilities"]))
                for item in fields.objects(data, "samples", MAX_SAMPLES)
            ),
        )


def _labels(names: list[Any]) -> tuple[str, ...]:
    labels = tuple(fields.label(name) for name in names)
    if not labels or len(set(labels)) != len(labels):
        raise BadModel("labels are missing or repeat, by the spelling that the wire gives them")
    return labels


def _rebuilt(data: dict[str, Any], files: dict[str, messages.ModelFile]) -> dict[str, Rebuilt]:
    results = messages.model_files(data) if data else {}
    found = {
        name: Rebuilt(fields.text(data[name], "base"), fields.text(data[name], "delta"), result)
        for name, result in results.items()
    }
    if taken := [name for name in found if name in files]:
        raise BadModel(f"rebuilt: {', '.join(taken)} is also a file")
    if missing := [part for each in found.values() for part in (each.base, each.delta) if part not in files]:
        raise BadModel(f"rebuilt: {', '.join(missing)} missing in files")
    return found


def _graphs(names: Any, files: set[str]) -> tuple[str, ...]:
    if not isinstance(names, list) or not 1 <= len(names) <= 2 or len(set(map(str, names))) != len(names):
        raise BadModel("graphs: expected one or two different file names")
    if missing := [str(name) for name in names if name not in files]:
        raise BadModel(f"graphs: {', '.join(missing)} missing in files")
    return tuple(names)


def _shares(data: dict[str, Any]) -> dict[str, float]:
    return {fields.label(name): fields.share(data, name) for name in data}
