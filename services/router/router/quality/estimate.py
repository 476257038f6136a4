"""The stratified estimator of a share, with its interval: accuracy, precision and recall. Pure.

Within a stratum each image has the same chance to be a labelled audit, or a known one; the sizes of strata are known. What
people labelled late, what a device dropped and what a budget declined is taken as missing at random within its stratum.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from router.quality import intervals, sample
from router.quality.sample import Stratum

LEVEL = 0.95
PRIOR = 2.0
"""Labels that the calibrated confidence of a stratum weighs as much as, in its variance: without it a stratum with no error seen
would count as free of errors."""
DOUBT = 0.1
"""How far these priors are drawn to their mean: confidences may separate right from wrong less than they state."""
LOST = 1.5
"""Labels of a stratum that its variance counts for less: one for the mean, and more since the smoothed share is often too near 1."""
LEAST = 8
"""Labels of a stratum; smaller ones are merged with their neighbours."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimated share with its interval at `LEVEL`."""

    value: float
    low: float
    high: float
    labelled: float  # effective number of labelled audits
    images: float  # that it is about


@dataclass(frozen=True, slots=True)
class _Part:
    """A stratum with its share of hits: as observed, and smoothed for the variance."""

    stratum: Stratum
    share: float
    smoothed: float

    @property
    def variance(self) -> float:
        """The variance of `share`, with the correction for a finite number of images."""
        labelled = self.stratum.labelled
        rest = max(0.0, 1 - labelled / self.stratum.size) if self.stratum.size else 0.0
        return self.smoothed * (1 - self.smoothed) / max(labelled - LOST, 0.5) * rest


Odds = Callable[[Stratum], float]


def _confidence(stratum: Stratum) -> float:
    return stratum.confidence


def _doubt(stratum: Stratum) -> float:
    return 1 - stratum.confidence


def accuracy(cells: Sequence[Stratum], level: float = LEVEL) -> Estimate | None:
    """Estimate the share of hits among all images of these strata; None without a label or an image."""
    images = sum(each.size for each in cells)
    parts = _parts(cells, _confidence)
    if not parts or not images:
        return None
    weights = [part.stratum.size / images for part in parts]
    value = sum(w * part.share for w, part in zip(weights, parts, strict=True))
    smoothed = sum(w * part.smoothed for w, part in zip(weights, parts, strict=True))
    variances = [w**2 * part.variance for w, part in zip(weights, parts, strict=True)]
    variance = sum(variances) + _division(cells, parts) / images**2
    return _estimate(value, smoothed * (1 - smoothed), variance, _freedom(parts, variances), parts, images, level)


def recall(own: Sequence[Stratum], others: Sequence[Stratum], level: float = LEVEL) -> Estimate | None:
    """Estimate the share of a label's images that are predicted as such; None without a labelled one.

    `own`: the images with this prediction, hits are right. `others`: all other images, hits are those of this label. A ratio
    of two stratified totals; the variance is that of its linearisation (Särndal, Swensson and Wretman 1992, 5.6).
    """
    mine, rest = _parts(own, _confidence), _parts(others, _doubt)
    value, images = _ratio(mine, rest, lambda part: part.share)
    if not images:
        return None
    smoothed, _ = _ratio(mine, rest, lambda part: part.smoothed)
    factors = [1 - smoothed] * len(mine) + [smoothed] * len(rest)
    parts = [*mine, *rest]
    variances = [
        (factor * part.stratum.size / images) ** 2 * part.variance for factor, part in zip(factors, parts, strict=True)
    ]
    division = (1 - smoothed) ** 2 * _division(own, mine) + smoothed**2 * _division(others, rest)
    variance = sum(variances) + division / images**2
    return _estimate(value, smoothed * (1 - smoothed), variance, _freedom(parts, variances), parts, images, level)


def _ratio(own: Sequence[_Part], others: Sequence[_Part], share: Callable[[_Part], float]) -> tuple[float, float]:
    """Return the recall and the number of images of the label, by these shares of hits."""
    found = sum(part.stratum.size * share(part) for part in own)
    images = found + sum(part.stratum.size * share(part) for part in others)
    return (found / images if images else 0.0), images


def _estimate(
    value: float, single: float, variance: float, freedom: float, parts: Sequence[_Part], images: float, level: float
) -> Estimate:
    """Return the score interval at the effective sample size: that whose variance `single` / n is the variance."""
    labelled = sum(part.stratum.labelled for part in parts)
    effective = max(single / variance, 1.0) if variance > 0 and single > 0 else max(labelled, 1.0)
    found = intervals.score(value, effective, freedom, level)
    return Estimate(found.value, found.low, found.high, labelled, images)


def _parts(cells: Sequence[Stratum], prior: Odds) -> list[_Part]:
    """Return the strata, pooled until each has enough labels, with their shares; none without a label."""
    merged = sample.pooled([each for each in cells if each.size], LEAST)
    if not sum(each.weight for each in merged):
        return []
    shift = _shift(merged, prior)
    expected = [_moved(prior(each), shift) for each in merged]
    images = sum(each.size for each in merged)
    mean = sum(each.size * share for each, share in zip(merged, expected, strict=True)) / images if images else 0.5
    return [_part(each, share + DOUBT * (mean - share)) for each, share in zip(merged, expected, strict=True)]


def _part(stratum: Stratum, expected: float) -> _Part:
    labelled = stratum.labelled
    share = stratum.hits / stratum.weight if stratum.weight else expected
    return _Part(stratum, share, (labelled * share + PRIOR * expected) / (labelled + PRIOR))


def _shift(cells: Sequence[Stratum], prior: Odds) -> float:
    """Return the shift of log odds at which the priors agree with the labels on the whole: a calibration with one parameter."""
    labelled = [each.labelled for each in cells]
    total = sum(labelled)
    hits = sum(n * each.hits / each.weight for n, each in zip(labelled, cells, strict=True) if n)
    wanted = (hits + 0.5) / (total + 1) * total
    low, high = -12.0, 12.0
    for _ in range(40):
        middle = (low + high) / 2
        expected = sum(n * _moved(prior(each), middle) for n, each in zip(labelled, cells, strict=True))
        low, high = (middle, high) if expected < wanted else (low, middle)
    return middle


def _moved(share: float, shift: float) -> float:
    within = min(max(share, 0.0005), 0.9995)
    return 1 / (1 + math.exp(-math.log(within / (1 - within)) - shift))


def _division(cells: Sequence[Stratum], parts: Sequence[_Part]) -> float:
    """The variance of the total that comes from estimated sizes: the parts of the last bin are shares of its audits."""
    divided = [each for each in cells if each.divided and each.size]
    size, audits = sum(each.size for each in divided), sum(each.audits for each in divided)
    if not audits or not parts:
        return 0.0
    shares = [_smoothed(each, parts) for each in divided]
    mean = sum(each.size * share for each, share in zip(divided, shares, strict=True)) / size
    spread = sum(each.size * (share - mean) ** 2 for each, share in zip(divided, shares, strict=True)) / size
    return size**2 * spread / audits


def _smoothed(stratum: Stratum, parts: Sequence[_Part]) -> float:
    """The share of a stratum: observed, smoothed by that of the part with the nearest confidence."""
    near = min(parts, key=lambda part: abs(part.stratum.confidence - stratum.confidence)).smoothed
    return (stratum.labelled * (stratum.hits / stratum.weight if stratum.weight else near) + PRIOR * near) / (
        stratum.labelled + PRIOR
    )


def _freedom(parts: Sequence[_Part], variances: Sequence[float]) -> float:
    """Degrees of freedom of a sum of variances (Satterthwaite 1946)."""
    each = [v**2 / max(part.stratum.labelled - 1, 1) for v, part in zip(variances, parts, strict=True)]
    return sum(variances) ** 2 / sum(each) if sum(each) else 3.0


def spreads(cells: Sequence[Stratum]) -> list[float]:
    """Return the standard deviation of hits in each stratum, smoothed; 0.5 everywhere without a label."""
    parts = _parts(cells, _confidence)
    if not parts:
        return [0.5] * len(cells)
    return [math.sqrt(share * (1 - share)) for share in (_smoothed(each, parts) for each in cells)]
