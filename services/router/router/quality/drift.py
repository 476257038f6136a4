"""Drift: whether what a model predicts now differs from what it predicted in its first hours. Pure.

Images of one hour resemble each other, so hours are the sample, not images. The test is repeated each hour for as long as the
model runs; look k has the level `LEVEL` / (k (k + 1)), which sums up to `LEVEL` (alpha spending, Lan and DeMets 1983), so the
chance that a model without drift is ever reported is at most `LEVEL`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from strop_wire import reports

LEVEL = 0.05
REFERENCE = 24
"""Hours with images at the start of a model that all later ones are compared with: a day and a night."""
WINDOW = 24
"""Hours that are compared with the reference."""
LEAST = 6
"""Hours with images that a comparison needs on either side."""
MATTERS = {"label": 0.05, "confidence": 0.03, "novelty": 0.02}
"""Smallest change that is reported, as a share of the images (label, novelty) or of confidence."""
MOST_LABELS = 50


@dataclass(frozen=True, slots=True)
class Hour:
    """The counts of one hour of all devices: images by predicted label and confidence bin, and those rejected as novel."""

    predictions: Mapping[str, Sequence[int]]
    rejected: int = 0

    @property
    def images(self) -> int:
        return sum(map(sum, self.predictions.values()))


@dataclass(frozen=True, slots=True)
class Change:
    """One quantity in the window and in the reference."""

    kind: str  # label, confidence or novelty
    label: str  # of kind label: which
    now: float
    reference: float
    p: float  # corrected for the number of quantities, not for that of looks
    drifted: bool


Measure = Callable[[Hour], float]
"""The sum of a quantity over the images of an hour."""


def compare(reference: Sequence[Hour], window: Sequence[Hour], look: int) -> list[Change]:
    """Compare a window with the reference, at look 1, 2, …; none without enough hours. The least likely change comes first."""
    first, now = ([hour for hour in hours if hour.images] for hours in (reference, window))
    if min(len(first), len(now)) < LEAST:
        return []
    measures = _measures([*first, *now])
    level = LEVEL / (look * (look + 1))
    changes = [_change(kind, label, measure, first, now, len(measures), level) for kind, label, measure in measures]
    return sorted(changes, key=lambda each: (not each.drifted, each.p))


def _measures(hours: Sequence[Hour]) -> list[tuple[str, str, Measure]]:
    totals: dict[str, int] = {}
    for hour in hours:
        for label, bins in hour.predictions.items():
            totals[label] = totals.get(label, 0) + sum(bins)
    common = sorted(totals, key=lambda label: -totals[label])[:MOST_LABELS]
    labels = [("label", label, _counter(label)) for label in common]
    return [*labels, ("confidence", "", _confidence), ("novelty", "", _rejected)]


def _counter(label: str) -> Measure:
    return lambda hour: float(sum(hour.predictions.get(label, ())))


def _confidence(hour: Hour) -> float:
    return sum(count * (k + 0.5) / reports.BINS for bins in hour.predictions.values() for k, count in enumerate(bins))


def _rejected(hour: Hour) -> float:
    return float(hour.rejected)


def _change(
    kind: str, label: str, measure: Measure, first: Sequence[Hour], now: Sequence[Hour], tests: int, level: float
) -> Change:
    before, after = _mean(first, measure), _mean(now, measure)
    p = min(1.0, tests * _tail(before, after))
    drifted = p <= level and abs(after.value - before.value) >= MATTERS[kind]
    return Change(kind, label, after.value, before.value, p, drifted)


@dataclass(frozen=True, slots=True)
class _Mean:
    value: float
    variance: float
    freedom: float


def _mean(hours: Sequence[Hour], measure: Measure) -> _Mean:
    """Return the mean per image with the variance between hours, and at least that of independent images (Cochran 1977, 6.13)."""
    sums, images = [measure(hour) for hour in hours], [hour.images for hour in hours]
    total, n = sum(images), len(hours)
    value = sum(sums) / total
    between = sum((s - value * m) ** 2 for s, m in zip(sums, images, strict=True)) / total**2 * n / (n - 1)
    smoothed = (value * total + 1) / (total + 2)
    within = max(smoothed * (1 - smoothed), 0.0) / total
    weighted = total**2 / sum(m**2 for m in images)  # hours of equal size are worth the most
    return _Mean(value, max(between, within), max(weighted - 1, 2.0))


def _tail(before: _Mean, after: _Mean) -> float:
    """Return the two-sided p-value of a difference of means (Welch 1947)."""
    variance = before.variance + after.variance
    freedom = variance**2 / (before.variance**2 / before.freedom + after.variance**2 / after.freedom)
    return student_tail(abs(after.value - before.value) / math.sqrt(variance), freedom)


def student_tail(t: float, freedom: float) -> float:
    """Return P(|T| > t) of Student's t, by the transform to a normal quantile of Wallace (1959)."""
    z = math.sqrt(freedom * math.log1p(t * t / freedom)) * (8 * freedom + 1) / (8 * freedom + 3)
    return math.erfc(z / math.sqrt(2))
