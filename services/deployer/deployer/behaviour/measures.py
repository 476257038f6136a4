"""From the counts of a device to a number that can be compared, with its sampling variance."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

from deployer.behaviour.counts import Counts
from strop_wire import reports

ENOUGH = 10
"""Images below which a device has no measure."""
CONFIDENT_BIN = 9
"""The first bin of confident predictions: 0.9 and above."""
FEWEST = 0.01
"""Share of uncertain predictions below which a difference does not matter."""

_ROUNDING = math.log(2) / math.sqrt(12)
"""Standard deviation of the logarithm of a latency in a bucket whose ends differ by a factor of two."""
_BOUNDS = (reports.LATENCY_MS[0] / 2, *reports.LATENCY_MS, reports.LATENCY_MS[-1] * 2)
_CENTRES = [math.log(math.sqrt(low * high)) for low, high in itertools.pairwise(_BOUNDS)]


@dataclass(frozen=True, slots=True)
class Measure:
    """A number and the variance of its estimate."""

    value: float
    variance: float


Reading = Callable[[Counts], Measure | None]
"""Measures one device over a period; None if it has counted too little."""


def share(part: int, whole: int) -> Measure | None:
    """Return part / whole; half a count is added for the variance, so that it is not zero when nothing was seen."""
    if whole < ENOUGH:
        return None
    smooth = (part + 0.5) / (whole + 1)
    return Measure(part / whole, smooth * (1 - smooth) / whole)


def failed(counts: Counts) -> Measure | None:
    return share(counts.failed, counts.failed + counts.classified)


def low(counts: Counts) -> Measure | None:
    return share(counts.low, counts.classified)


def novel(counts: Counts) -> Measure | None:
    return share(counts.rejected, counts.classified)


def label(name: str) -> Reading:
    """Return the reading of a label's share of the predictions."""
    return lambda counts: share(counts.label(name), counts.classified)


def certainty(counts: Counts) -> Measure | None:
    """Return minus the logarithm of the share of uncertain predictions, with the variance of the delta method.

    Half a count and FEWEST are added to it: the logarithm of 0 is no number.
    """
    if (whole := counts.classified) < ENOUGH:
        return None
    part = counts.below(CONFIDENT_BIN) + 0.5 + FEWEST * whole
    return Measure(-math.log(part / (whole + 1)), 1 / part)


def latency(counts: Counts) -> Measure | None:
    """Return the mean of the logarithm of the latency in ms, with buckets at their geometric centres."""
    if (whole := sum(counts.latency)) < ENOUGH:
        return None
    mean = sum(count * centre for count, centre in zip(counts.latency, _CENTRES, strict=True)) / whole
    squares = sum(count * (centre - mean) ** 2 for count, centre in zip(counts.latency, _CENTRES, strict=True))
    return Measure(mean, (squares / whole + _ROUNDING**2) / whole)
