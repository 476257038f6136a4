"""Train and judge one model: `python -m trainer.work JOB.json RESULT.json`, a process of its own.

It reads and writes files only, so it needs no database and no network, and the same job gives the same model. Progress
goes to standard output, one JSON object a line: step, done, total. When it fails, the exit code is 1
and the last line of standard error says why. README.md ("The job") has the fields of both files.
"""

import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from strop_contracts import documents
from strop_edge import model
from trainer import backbone, evaluation, features, gate, head, package, skips, views

PARTS = {"base": "valid", "field": "golden"}
"""By origin: what its held-out part is called."""

_SAMPLES = 3
_CHECKED = 8
_PAUSE = 0.3


@dataclass(frozen=True, slots=True)
class Item:
    """An image of the data set."""

    sha256: str
    path: Path
    label: str
    part: str  # "train", "valid" (held-out base) or "golden" (held-out field)
    origin: str  # "base" or "field"
    group: str  # near copies share it
    source: str  # where it came from, for people


@dataclass(frozen=True, slots=True)
class Job:
    """What to train on and where to put it."""

    source: package.Source
    images: tuple[Item, ...]
    champion: Path | None  # the package to beat; None for a first model, and for a hosted one
    cache: Path  # holds the backbone and the features
    output: Path  # becomes the package
    parent: int | None  # the process that waits for the result
    known_rejected: float = 0.05  # share of known images that the novelty threshold may cost

    @classmethod
    def loads(cls, text: str) -> "Job":
        data = json.loads(text)
        kind = data.get("backbone", backbone.LITE0)
        source = package.Source(data["version"], data["project"], data["dataset"], data["created_at"], kind)
        images = tuple(
            Item(
                i["sha256"],
                Path(i["path"]),
                i["label"],
                i["part"],
                i["origin"],
                i["group"],
                i.get("source") or f"sha256 {i['sha256']}",
            )
            for i in data["images"]
        )
        champion = Path(data["champion"]) if data.get("champion") else None
        paths = Path(data["cache"]), Path(data["output"])
        return cls(source, images, champion, *paths, data.get("parent"), data.get("known_rejected", 0.05))

    @property
    def features(self) -> Path:
        return self.cache / "features.sqlite"

    @property
    def backbone(self) -> backbone.Kind:
        """CannotTrain when there is none of that name."""
        if self.source.backbone not in backbone.KINDS:
            raise head.CannotTrain(f"backbone {self.source.backbone} is none of {', '.join(backbone.KINDS)}")
        return backbone.KINDS[self.source.backbone]

    @property
    def views(self) -> Mapping[str, Sequence[str]]:
        """What each image is learned from, by origin."""
        return views.HOSTED if self.source.backbone == backbone.HOSTED else views.TRAINING


Progress = Callable[[str, int, int], None]
"""Hears the step, and how many of how many are done."""


def run(job: Job, progress: Progress) -> dict[str, Any]:
    """Train, package, judge, decide; returns what the registry keeps and writes the outcomes beside the package."""
    path = backbone.ensure(job.cache / "backbones", job.backbone)
    everything = len(job.images)
    job, skipped = _usable(job, path, progress)
    images = [item for item in job.images if item.part == "train"]
    labels = sorted({item.label for item in images})
    examples = _examples(job, path, images, labels, progress)
    trained = head.train(examples, len(labels), job.known_rejected, lambda done, total: progress("head", done, total))
    files = package.write(job.output, job.source, labels, trained, path, _samples(images))
    challenger = _judge(job, job.output, progress)
    champion = _judge(job, job.champion, progress) if job.champion else None
    verdict = _decide(challenger, champion)
    assumed = dict(zip(labels, trained.assumed, strict=True))
    return {
        "labels": labels,
        "files": {name: asdict(file) for name, file in files.items()},
        "evaluations": {
            origin: evaluation.metrics(
                found, labels, assumed, [each for each in skipped if each.origin == origin]
            ).model_dump(mode="json")
            for origin, found in challenger.items()
        },
        "outcomes": {origin: str(_write(job, origin, found)) for origin, found in challenger.items()},
        "state": verdict.state,
        "reasons": [
            *verdict.reasons,
            *([f"{skips.told(skipped, everything)}. The others were used"] if skipped else []),
            _amounts(job.images),
        ],
    }


def _usable(job: Job, path: Path, progress: Progress) -> tuple[Job, list[documents.LeftOut]]:
    """Compute all features, and return the job without the images that have none; CannotTrain when it is too many."""
    bad = {}
    for item in job.images:  # also those whose features are known: samples and evaluation read the files
        try:
            features.read(item.path, item.sha256)
        except features.WrongImage as error:
            bad[item.sha256] = str(error)
    wanted = [
        features.View(item.sha256, item.path, view)
        for item in job.images
        if item.sha256 not in bad
        for view in (job.views[item.origin] if item.part == "train" else [views.PLAIN])
    ]
    with features.Cache(job.features, path, job.backbone.sha256) as cache:
        bad |= cache.fill(wanted, lambda done, total: progress("features", done, total))
    kept, skipped = skips.split(job.images, bad)
    return replace(job, images=kept), skipped


def _examples(job: Job, path: Path, images: Sequence[Item], labels: Sequence[str], progress: Progress) -> head.Examples:
    rows = [(item, view) for item in images for view in job.views[item.origin]]
    wanted = [features.View(item.sha256, item.path, view) for item, view in rows]
    with features.Cache(job.features, path, job.backbone.sha256) as cache:
        found = cache.get(wanted, lambda done, total: progress("features", done, total))
    groups = _groups(images)
    return head.Examples(
        found,
        np.array([labels.index(item.label) for item, _ in rows], np.int64),
        np.array([groups[item.sha256] for item, _ in rows], np.int64),
        np.array([view == views.PLAIN for _, view in rows], np.bool_),
    )


def _groups(images: Sequence[Item]) -> dict[str, int]:
    """A number by sha256, the same for images that must share a fold; each image for itself where its label has few groups."""
    groups = Counter(label for label, _ in {(item.label, item.group) for item in images})
    names = {item.sha256: item.group if groups[item.label] >= head.FOLDS else item.sha256 for item in images}
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names.values()))}
    return {sha256: numbers[name] for sha256, name in names.items()}


def _samples(images: Sequence[Item]) -> list[Path]:
    """A few training images of different labels, the same ones for the same data set."""
    first = {item.label: item for item in sorted(images, key=lambda item: item.sha256, reverse=True)}
    return [first[label].path for label in sorted(first)][:_SAMPLES]


def _judge(job: Job, folder: Path, progress: Progress) -> dict[str, list[documents.Outcome]]:
    """What the model in `folder` says to the held-out images, by origin."""
    judged = model.Model(folder)
    outcomes = {}
    with features.Cache(job.features, folder / "backbone.onnx", judged.manifest.files["backbone.onnx"].sha256) as cache:
        for origin, part in PARTS.items():
            held = [item for item in job.images if (item.origin, item.part) == (origin, part)]
            wanted = [features.View(item.sha256, item.path) for item in held]
            found = cache.get(wanted, lambda done, total: progress("judge", done, total))
            evaluation.check(judged, wanted[:_CHECKED], found[:_CHECKED])
            outcomes[origin] = evaluation.judge(judged, wanted, [item.label for item in held], found)
    return outcomes


def _decide(
    challenger: dict[str, list[documents.Outcome]], champion: dict[str, list[documents.Outcome]] | None
) -> gate.Verdict:
    if champion is None:
        return gate.first([(outcome.label, outcome.right) for outcome in challenger["base"]])
    pairs = {
        origin: [
            gate.Pair(new.label, new.right, old.right)
            for new, old in zip(challenger[origin], champion[origin], strict=True)
        ]
        for origin in PARTS
    }
    return gate.judge(pairs["field"], pairs["base"])


def _amounts(images: Sequence[Item]) -> str:
    """What the field's labels came to, for whoever wonders why so many of them changed so little."""
    parts = Counter(item.part for item in images if item.origin == "field")
    return f"{parts['train']} field images to learn from, {parts['golden']} golden"


def _write(job: Job, origin: str, outcomes: Sequence[documents.Outcome]) -> Path:
    """One JSON object a line for each held-out image; beside the package, which holds a device's files only."""
    path = job.output.with_name(f"outcomes-{origin}.jsonl")
    path.write_bytes(documents.lines(outcomes))
    return path


class _Teller:
    """Prints progress, but not more often than anybody wants to know."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, step: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done == total or now - self._last > _PAUSE:
            self._last = now
            print(json.dumps({"step": step, "done": done, "total": total}), flush=True)


def _end_with(parent: int) -> None:
    """Leave when the trainer that waits for the result is gone: another one takes the run over."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(2)


def main(spec: Path, result: Path) -> None:
    job = Job.loads(spec.read_text())
    if job.parent:
        threading.Thread(target=_end_with, args=(job.parent,), daemon=True).start()
    try:
        result.write_text(json.dumps(run(job, _Teller())))
    except head.CannotTrain as error:
        sys.exit(str(error))  # for people: without the traceback


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
