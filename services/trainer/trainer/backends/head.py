"""A new head on a frozen backbone: seconds on a CPU, and a retrained model differs by one small file."""

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from strop_contracts import documents
from strop_edge import image
from trainer import backbone, features, head, jobs, views
from trainer.backends import base

GRAPHS = ("backbone.onnx", "head.onnx")


class Options(head.Options):
    """The options of the backend: those of the head, and the name of the backbone in `trainer.backbone.KINDS`."""

    backbone: str = backbone.LITE0


@dataclass(frozen=True, slots=True)
class HeadBackend:
    options: Options
    kind: backbone.Kind

    @property
    def views(self) -> Mapping[str, Sequence[str]]:
        """What each training image is learned from, by origin."""
        return views.HOSTED if self.kind.name == backbone.HOSTED else views.TRAINING

    def prepare(self, images: Sequence[jobs.Item], cache: Path, progress: base.Progress) -> dict[str, str]:
        """Compute all features that are not cached."""
        wanted = [view for item in images for view in self._views(item)]
        with self._features(cache) as store:
            return store.fill(wanted, lambda done, total: progress("features", done, total))

    def train(self, request: base.Request, progress: base.Progress) -> base.Trained:
        examples = self._examples(request, progress)
        trained = head.train(
            examples, len(request.labels), self.options, lambda done, total: progress("head", done, total)
        )
        first, last = (request.folder / name for name in GRAPHS)
        shutil.copyfile(self._backbone(request.cache), first)
        last.write_bytes(head.export(trained))
        facts = {"backbone": self.kind.name, "temperature": trained.temperature, "strength": trained.strength}
        return base.Trained(GRAPHS, image.STANDARD, trained.thresholds, trained.assumed, trained.novelty, facts)

    def _views(self, item: jobs.Item) -> list[features.View]:
        names = self.views[item.origin] if item.part == documents.Part.TRAIN else [views.PLAIN]
        return [features.View(item.sha256, item.path, name) for name in names]

    def _examples(self, request: base.Request, progress: base.Progress) -> head.Examples:
        rows = [(item, view) for item in request.images for view in self._views(item)]
        with self._features(request.cache) as store:
            found = store.get([view for _, view in rows], lambda done, total: progress("features", done, total))
        numbers = groups(request.images)
        return head.Examples(
            found,
            np.array([request.labels.index(item.label) for item, _ in rows], np.int64),
            np.array([numbers[item.sha256] for item, _ in rows], np.int64),
            np.array([view.view == views.PLAIN for _, view in rows], np.bool_),
        )

    def _backbone(self, cache: Path) -> Path:
        return backbone.ensure(cache / "backbones", self.kind)

    def _features(self, cache: Path) -> features.Cache:
        return features.Cache(cache / features.FILE, self._backbone(cache), self.kind.sha256)


def groups(images: Sequence[jobs.Item]) -> dict[str, int]:
    """A number by sha256, the same for images that must share a fold; each image for itself where its label has few groups."""
    counts = Counter(label for label, _ in {(item.label, item.group) for item in images})
    names = {item.sha256: item.group if counts[item.label] >= head.FOLDS else item.sha256 for item in images}
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names.values()))}
    return {sha256: numbers[name] for sha256, name in names.items()}


def build(options: Mapping[str, Any]) -> HeadBackend:
    """Make the backend; ValueError if an option is unknown or has no such value."""
    read = Options.model_validate(options)
    if read.backbone not in backbone.KINDS:
        raise ValueError(f"backbone {read.backbone} is none of {', '.join(backbone.KINDS)}")
    return HeadBackend(read, backbone.KINDS[read.backbone])
