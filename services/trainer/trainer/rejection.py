"""Figures with rejection, as Rekognition's evaluation defines them: a hosted model answers no label, one or several.

A label is answered and true, answered and not true, or true and not answered. An image above the novelty threshold, or
with no label at its assumed threshold, is a false negative of its label and nothing else.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean

from strop_contracts import documents

Answered = tuple[str, Sequence[str]]
"""The true label of an image, and the labels answered."""


def figures(answered: Sequence[Answered], names: Sequence[str], thresholds: Mapping[str, float]) -> documents.Answers:
    """Compute macro means over the labels that have images, and the figures of each label."""
    labels = {name: _label(name, answered, thresholds.get(name)) for name in names}
    tested = [label for label in labels.values() if label.images]
    return documents.Answers(
        f1=macro([label.f1 for label in tested]),
        precision=macro([label.precision for label in tested]),
        recall=macro([label.recall for label in tested]),
        unanswered=sum(not answers for _, answers in answered),
        labels=labels,
    )


def macro(values: Sequence[float | None]) -> float | None:
    """Return the mean over labels; a label without a figure (a precision without any answer) counts as 0."""
    return fmean(value or 0.0 for value in values) if values else None


def _label(name: str, answered: Sequence[Answered], threshold: float | None) -> documents.AnsweredLabel:
    hits = sum(name == label and name in answers for label, answers in answered)
    given = sum(name in answers for _, answers in answered)
    images = sum(name == label for label, _ in answered)
    return documents.AnsweredLabel(
        images=images,
        true_positives=hits,
        false_positives=given - hits,
        false_negatives=images - hits,
        precision=hits / given if given else None,
        recall=hits / images if images else None,
        f1=2 * hits / (given + images) if given + images else None,
        threshold=threshold,
    )
