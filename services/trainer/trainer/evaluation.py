"""How a model did on held-out images: on the exact files that a device runs, through the agent's own code.

Only the features of a shared first graph come from the cache, which the same file filled; `check` proves on a few images that
this and the device's whole way from file to answer agree.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from strop import stats
from strop_contracts import documents
from strop_edge import image
from strop_edge.model import Model, read
from trainer import features, rejection

BINS = 10
_CHECKED = 8  # images of a part on which `check` compares
_TOLERANCE = 1e-3  # a batch of another size may round otherwise


class Disagreement(Exception):
    """The files that were judged and the way a device takes give different answers."""


Assessed = tuple[features.Features, features.Features | None]
"""Probabilities [images, labels], and novelty [images] of a model that gives it."""


def assess(
    model: Model,
    folder: Path,
    images: Sequence[features.View],
    cache: Path,
    progress: Callable[[int, int], None],
) -> Assessed:
    """Run the model of the package in `folder` on images. Disagreement if cached features do not give a device's answer."""
    first = model.manifest.graphs[0]
    if not images:
        return np.empty((0, len(model.labels)), np.float32), None
    if not model.split or model.manifest.input != image.STANDARD:
        return _assess_directly(model, images, progress)
    graph = read(folder, model.manifest)[first]
    with features.Cache(cache / features.FILE, graph, model.manifest.sha256(first)) as store:
        found = store.get(images, progress)
    check(model, images[:_CHECKED], found[:_CHECKED])
    return model.assess_features(found)


def _assess_directly(model: Model, images: Sequence[features.View], progress: Callable[[int, int], None]) -> Assessed:
    rows, novelties = [], []
    for done, view in enumerate(images, 1):
        row, novelty = model.assess(model.prepare(view.path.read_bytes())[None])
        rows.append(row)
        novelties += [] if novelty is None else [novelty]
        progress(done, len(images))
    return np.concatenate(rows), np.concatenate(novelties) if novelties else None


def judge(
    model: Model, images: Sequence[features.View], truth: Sequence[str], assessed: Assessed
) -> list[documents.Outcome]:
    """Name what the model answers for each image, in the order given."""
    rows, novelties = assessed
    scores = [None] * len(images) if novelties is None else [round(float(novelty), 6) for novelty in novelties]
    return [
        _outcome(model, view.sha256, label, row, novelty)
        for view, label, row, novelty in zip(images, truth, rows, scores, strict=True)
    ]


def _outcome(model: Model, sha256: str, label: str, row: features.Features, novelty: float | None) -> documents.Outcome:
    ranked = model.rank(row)
    best, *others = ranked
    return documents.Outcome(
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
        direct = model.predict(model.prepare(view.path.read_bytes())[None])[0]
        worst = float(np.abs(direct - model.assess_features(row[None])[0][0]).max())
        if worst > _TOLERANCE:
            raise Disagreement(f"{view.sha256}: a device would answer otherwise, by {worst:.4f}")


def metrics(
    outcomes: Sequence[documents.Outcome],
    labels: Sequence[str],
    thresholds: Mapping[str, float],
    left_out: Iterable[documents.LeftOut] = (),
) -> documents.Metrics:
    """Compute all figures; None where nothing was counted.

    Without rejection, the best label whatever its confidence: accuracy, macro-F1, per-label figures, confusion and
    calibration. With it, as a hosted model answers: `answers`, with the assumed `thresholds`.
    """
    names = [
        *labels,
        *sorted({outcome.label for outcome in outcomes} - set(labels)),
    ]  # labels outside of the model, too
    figures = {name: _label(name, outcomes) for name in names}
    right = sum(outcome.right for outcome in outcomes)
    return documents.Metrics(
        images=len(outcomes),
        right=right,
        accuracy=stats.wilson(right, len(outcomes)),
        answered=stats.wilson(sum(outcome.passed for outcome in outcomes), len(outcomes)),
        macro_f1=rejection.macro([label.f1.value if label.f1 else None for label in figures.values() if label.images]),
        labels=figures,
        confusion=documents.Confusion(labels=tuple(names), counts=_confusion(outcomes, names)),
        calibration=_calibration(outcomes),
        answers=rejection.figures([(outcome.label, outcome.answers) for outcome in outcomes], names, thresholds),
        skipped=tuple(left_out),
    )


def _label(name: str, outcomes: Sequence[documents.Outcome]) -> documents.LabelFigures:
    hits = sum(outcome.predicted == name == outcome.label for outcome in outcomes)
    predicted = sum(outcome.predicted == name for outcome in outcomes)
    images = sum(outcome.label == name for outcome in outcomes)
    return documents.LabelFigures(
        images=images,
        precision=stats.wilson(hits, predicted),
        recall=stats.wilson(hits, images),
        f1=stats.f1(hits, predicted - hits, images - hits),
    )


def _confusion(outcomes: Sequence[documents.Outcome], names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    pairs = Counter((outcome.label, outcome.predicted) for outcome in outcomes)
    return tuple(tuple(pairs[truth, predicted] for predicted in names) for truth in names)


def _calibration(outcomes: Sequence[documents.Outcome]) -> documents.Calibration:
    """Compute the expected calibration error over equal bins of confidence (Naeini et al. 2015)."""
    held: list[list[documents.Outcome]] = [[] for _ in range(BINS)]
    for outcome in outcomes:
        held[min(int(outcome.confidence * BINS), BINS - 1)].append(outcome)
    bins = tuple(
        documents.Bin(images=len(each), right=sum(o.right for o in each), confidence=sum(o.confidence for o in each))
        for each in held
    )
    error = sum(abs(each.right - each.confidence) for each in bins)
    return documents.Calibration(ece=error / len(outcomes) if outcomes else None, bins=bins)
