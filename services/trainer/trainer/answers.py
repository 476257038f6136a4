"""Figures with rejection: how good the answers of a hosted model are, which may be none, one or several labels an image.

This is what Rekognition's evaluation counts: a label that is answered and true, answered and not true, or true and not
answered. An image that is novel, or where no label reaches its assumed threshold, is a miss of its label and nothing else.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

Answered = tuple[str, Sequence[str]]
"""The true label of an image, and the labels answered."""


def figures(answered: Sequence[Answered], names: Sequence[str], thresholds: Mapping[str, float]) -> dict[str, Any]:
    """Macro means over labels that have images, and each label's own; None where nothing was counted."""
    labels = {name: {**_label(name, answered), "threshold": thresholds.get(name)} for name in names}
    tested = [label for label in labels.values() if label["images"]]
    return {
        **{figure: macro([label[figure] for label in tested]) for figure in ("f1", "precision", "recall")},
        "unanswered": sum(not labels for _, labels in answered),
        "labels": labels,
    }


def macro(values: Sequence[float | None]) -> float | None:
    """The mean over labels; one of which nothing was counted (a precision without any answer) counts as 0."""
    return fmean(value or 0.0 for value in values) if values else None


def _label(name: str, answered: Sequence[Answered]) -> dict[str, Any]:
    hits = sum(name == label and name in labels for label, labels in answered)
    given = sum(name in labels for _, labels in answered)
    images = sum(name == label for label, _ in answered)
    return {
        "images": images,
        "true_positives": hits,
        "false_positives": given - hits,
        "false_negatives": images - hits,
        "precision": hits / given if given else None,
        "recall": hits / images if images else None,
        "f1": 2 * hits / (given + images) if given + images else None,
    }
