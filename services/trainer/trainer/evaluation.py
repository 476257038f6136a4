"""How a model did on held-out images: on the exact files that a device runs, through the agent's own code.

Only the features come from the cache, which the very same backbone file filled; `check` proves on a few images that this
and the device's whole way from file to answer agree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from strop import stats
from strop_edge import image
from strop_edge.model import Model
from trainer import answers, features

BINS = 10
_TOLERANCE = 1e-3  # a batch of another size may round otherwise


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one held-out image; a true or false positive or negative for each label follows from it."""

    sha256: str
    label: str  # the truth
    predicted: str
    confidence: float
    margin: float  # to the second best
    passed: bool  # the confidence reaches the predicted label's threshold: a device answers a request with it
    novelty: float | None  # larger is stranger; None from a model that cannot tell
    novel: bool  # stranger than the model's threshold
    answers: tuple[
        str, ...
    ]  # what a hosted model answers, best first: labels from their assumed threshold, none when novel
    confidences: dict[str, float]  # all labels, best first

    @property
    def right(self) -> bool:
        return self.label == self.predicted


class Disagreement(Exception):
    """The files that were judged and the way a device takes give different answers."""


def judge(
    model: Model, images: Sequence[features.View], truth: Sequence[str], found: features.Features
) -> list[Outcome]:
    """Classify images by their features [images, features]; in the order given."""
    if not images:
        return []
    rows, novelties = model.assess_features(found)
    scores = [None] * len(images) if novelties is None else [round(float(novelty), 6) for novelty in novelties]
    return [
        _outcome(model, view.sha256, label, row, novelty)
        for view, label, row, novelty in zip(images, truth, rows, scores, strict=True)
    ]


def _outcome(model: Model, sha256: str, label: str, row: features.Features, novelty: float | None) -> Outcome:
    ranked = model.rank(row)
    best, *others = ranked
    return Outcome(
        sha256=sha256,
        label=label,
        predicted=best.label,
        confidence=best.confidence,
        margin=best.confidence - others[0].confidence if others else best.confidence,
        passed=best.confidence >= model.manifest.thresholds.get(best.label, 0),
        novelty=novelty,
        novel=model.is_novel(novelty),
        answers=tuple(each.label for each in model.answers(row, novelty)),
        confidences={each.label: each.confidence for each in ranked},
    )


def check(model: Model, images: Sequence[features.View], found: features.Features) -> None:
    """Take these images the device's way, file to probabilities; Disagreement when cached features say something else."""
    for view, row in zip(images, found, strict=True):
        direct = model.predict(image.load(view.path.read_bytes())[None])[0]
        worst = float(np.abs(direct - model.probabilities(row[None])[0]).max())
        if worst > _TOLERANCE:
            raise Disagreement(f"{view.sha256}: a device would answer otherwise, by {worst:.4f}")


def metrics(outcomes: Sequence[Outcome], labels: Sequence[str], thresholds: Mapping[str, float]) -> dict[str, Any]:
    """All figures, ready for JSON; None where nothing was counted.

    Without rejection, the best label whatever its confidence: accuracy, macro-F1, per-label figures, confusion and
    calibration. With it, as hosted models answer and Rekognition's evaluation means it: "answers", whose assumed
    `thresholds` are passed on.
    """
    names = [*labels, *sorted({outcome.label for outcome in outcomes} - set(labels))]  # a label the model does not know
    found = {name: _label(name, outcomes) for name in names}
    right = sum(outcome.right for outcome in outcomes)
    return {
        "images": len(outcomes),
        "right": right,
        "accuracy": _plain(stats.wilson(right, len(outcomes))),
        "answered": _plain(stats.wilson(sum(outcome.passed for outcome in outcomes), len(outcomes))),
        "macro_f1": answers.macro(
            [label["f1"] and label["f1"]["value"] for label in found.values() if label["images"]]
        ),
        "labels": found,
        "confusion": {"labels": names, "counts": _confusion(outcomes, names)},
        "calibration": _calibration(outcomes),
        "answers": answers.figures([(outcome.label, outcome.answers) for outcome in outcomes], names, thresholds),
    }


def _label(name: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    hits = sum(outcome.predicted == name == outcome.label for outcome in outcomes)
    predicted = sum(outcome.predicted == name for outcome in outcomes)
    images = sum(outcome.label == name for outcome in outcomes)
    return {
        "images": images,
        "precision": _plain(stats.wilson(hits, predicted)),
        "recall": _plain(stats.wilson(hits, images)),
        "f1": _plain(stats.f1(hits, predicted - hits, images - hits)),
    }


def _confusion(outcomes: Sequence[Outcome], names: Sequence[str]) -> list[list[int]]:
    """Rows are the truth, columns the prediction."""
    places = {name: place for place, name in enumerate(names)}
    counts = [[0] * len(names) for _ in names]
    for outcome in outcomes:
        counts[places[outcome.label]][places[outcome.predicted]] += 1
    return counts


def _calibration(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Expected calibration error over equal bins of confidence (Naeini et al. 2015), and the bins."""
    bins: list[list[Outcome]] = [[] for _ in range(BINS)]
    for outcome in outcomes:
        bins[min(int(outcome.confidence * BINS), BINS - 1)].append(outcome)
    gaps = [abs(sum(o.right for o in held) - sum(o.confidence for o in held)) for held in bins]
    return {
        "ece": sum(gaps) / len(outcomes) if outcomes else None,
        "bins": [
            {"images": len(held), "right": sum(o.right for o in held), "confidence": sum(o.confidence for o in held)}
            for held in bins
        ],
    }


def _plain(share: stats.Share | None) -> dict[str, float] | None:
    return asdict(share) if share else None
