"""The last stages of the backbone, tuned in PyTorch, and shipped as a delta that devices rebuild. Minutes on a CPU.

The trunk stays as it is, so its activations are cached. Needs PyTorch, the optional extra `finetune`.
"""

import hashlib
import importlib.util
import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from strop_contracts import documents
from strop_edge import image, manifest, model
from strop_image import decoder, sandbox
from strop_wire import messages
from trainer import backbone, features, head, jobs, views
from trainer.backends import base
from trainer.backends import head as head_backend
from trainer.tuning import activations, graphs, mixing, settings

if TYPE_CHECKING:
    from trainer.tuning import fitting

BACKBONE, DELTA, TAIL, HEAD = "backbone.onnx", "tail.delta", "tuned.onnx", "head.onnx"
CHECKPOINTS = "finetune"
_KEPT = 86400.0  # seconds that checkpoints of other trainings are kept
_CHECKED, _TOLERANCE = 8, 0.01  # images, and the difference of probabilities that float16 activations may cause


class Disagreement(Exception):
    """The exported files and PyTorch give different answers."""


@dataclass(frozen=True, slots=True)
class FinetuneBackend:
    options: settings.Options

    def prepare(self, images: Sequence[jobs.Item], cache: Path, progress: base.Progress) -> dict[str, str]:
        """Compute the activations of training images that are not cached; decode the others."""
        activations.trim(cache)
        wanted = [view for item in images if item.part == documents.Part.TRAIN for view in _views(item)]
        with activations.opened(cache, _backbone(cache).read_bytes()) as store:
            bad = store.fill(wanted, lambda done, total: progress("activations", done, total))
        held = [item for item in images if item.part != documents.Part.TRAIN]
        return bad | {item.sha256: fault for item in held if (fault := _fault(item))}

    def train(self, request: base.Request, progress: base.Progress) -> base.Trained:
        from trainer.tuning import fitting, loop

        original = _backbone(request.cache).read_bytes()
        start = _start(request.champion, original)
        numbers = head_backend.groups(request.images)
        with activations.opened(request.cache, original) as store, _checkpoints(request, self.options) as folder:
            data = fitting.Data(
                loop.Images(
                    store.read,
                    [_views(item) for item in request.images],
                    np.array([request.labels.index(item.label) for item in request.images], np.int64),
                ),
                [item.origin == documents.Origin.FIELD for item in request.images],
                np.array([numbers[item.sha256] for item in request.images], np.int64),
            )
            run = fitting.Fitting(original, start, len(request.labels), self.options, folder, progress)
            found = run.run(data)
            some = np.arange(min(_CHECKED, len(request.images)))
            expected = run.probabilities(found, data.of(some).images)
        last = _head(found, self.options)
        _check(found.shipment.graph, last, request.images[:_CHECKED], expected)
        return self._written(request, original, last, found)

    def _written(self, request: base.Request, original: bytes, last: bytes, found: "fitting.Fitted") -> base.Trained:
        files = {BACKBONE: original, DELTA: found.shipment.delta, HEAD: last}
        for name, data in files.items():
            (request.folder / name).write_bytes(data)
        graph = found.shipment.graph
        result = messages.ModelFile(hashlib.sha256(graph).hexdigest(), len(graph))
        facts = {
            "backbone": backbone.LITE0,
            "temperature": found.scores.second,
            "epochs": found.tuned.epochs,
            "options": self.options.model_dump(),
            "champion": _hash(request.champion),
        }
        scores = found.scores
        return base.Trained(
            (TAIL, HEAD), image.STANDARD, scores.thresholds, scores.assumed, scores.novelty, facts,
            {TAIL: manifest.Rebuilt(BACKBONE, DELTA, result)},
        )  # fmt: skip


def _backbone(cache: Path) -> Path:
    return backbone.ensure(cache / "backbones")


def _views(item: jobs.Item) -> list[features.View]:
    return [features.View(item.sha256, item.path, name) for name in views.TRAINING[item.origin]]


def _fault(item: jobs.Item) -> str:
    try:
        sandbox.shared().decode(item.path.read_bytes())
    except decoder.BadImage as error:
        return str(error)
    return ""


def _start(champion: Path | None, original: bytes) -> graphs.Tensors:
    """Return the tail of the champion if it is a tuned model of the same backbone, else that of the backbone."""
    if champion:
        described = manifest.Manifest.loads((champion / messages.MANIFEST).read_bytes())
        rebuilt = described.rebuilt.get(TAIL)
        if rebuilt and described.files[rebuilt.base].sha256 == backbone.SHA256:
            return graphs.tail(model.read(champion, described)[TAIL])
    return graphs.tail(original)


def _hash(champion: Path | None) -> str | None:
    """Name the package that a training began with."""
    return hashlib.sha256((champion / messages.MANIFEST).read_bytes()).hexdigest() if champion else None


@contextmanager
def _checkpoints(request: base.Request, options: settings.Options) -> Iterator[Path]:
    """A folder for the checkpoints of exactly this training; what other trainings left is removed, and this at its end."""
    about = [(item.sha256, item.label, item.origin, item.group) for item in request.images]
    key = json.dumps([about, request.labels, options.model_dump(), _hash(request.champion), backbone.SHA256])
    parent = request.cache / CHECKPOINTS
    folder = parent / hashlib.sha256(key.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    for other in set(parent.iterdir()) - {folder}:
        if time.time() - other.stat().st_mtime > _KEPT:
            shutil.rmtree(other, ignore_errors=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def _head(found: "fitting.Fitted", options: settings.Options) -> bytes:
    scores, tuned = found.scores, found.tuned
    if options.mix:
        first = replace(found.first, temperature=found.first.temperature * scores.first)
        scale = np.float32(1 / scores.second)
        return mixing.export(first, tuned.weights * scale, tuned.bias * scale)
    return head.export(replace(found.first, weights=tuned.weights, bias=tuned.bias, temperature=scores.second))


def _check(graph: bytes, last: bytes, images: Sequence[jobs.Item], expected: features.Features) -> None:
    """Run images through the files, from their pixels; Disagreement if PyTorch gives something else."""
    pixels = np.stack(
        [views.render(sandbox.shared().decode(each.path.read_bytes()), views.PLAIN, "") for each in images]
    )
    found = features.run(graph, "features", {"image": pixels})
    worst = float(np.abs(features.run(last, "probabilities", {"features": found}) - expected).max())
    if worst > _TOLERANCE:
        raise Disagreement(f"the exported model differs from PyTorch by {worst:.4f}")


def build(options: Mapping[str, Any]) -> FinetuneBackend:
    """Make the backend; ValueError if an option is unknown or has no such value, or PyTorch is missing."""
    read = settings.Options.model_validate(options)
    if importlib.util.find_spec("torch") is None:
        raise ValueError(
            "the backend finetune needs PyTorch, which is optional: install the extra `finetune` of strop-trainer"
        )
    return FinetuneBackend(read)
