"""Confidence intervals of shares that were not counted in one simple random sample. Pure."""

import math
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class Interval:
    value: float
    low: float
    high: float

    @property
    def width(self) -> float:
        return self.high - self.low


def score(value: float, effective: float, freedom: float, level: float) -> Interval:
    """Return the score interval of Wilson (1927) of a share that is as exact as one counted among `effective` images.

    `level` is the chance that it covers the truth; `freedom`: degrees of freedom of the variance (Korn and Graubard 1998 use
    the effective sample size with the exact interval).
    """
    quantile = student(1 - (1 - level) / 2, freedom)
    square = quantile**2 / effective
    centre = (value + square / 2) / (1 + square)
    half = quantile * math.sqrt(value * (1 - value) / effective + square / (4 * effective)) / (1 + square)
    return Interval(value, max(0.0, min(value, centre - half)), min(1.0, max(value, centre + half)))


def student(share: float, freedom: float) -> float:
    """Return the quantile of Student's t, by the expansion of Fisher and Cornish (1960); error below 0.05 from 3 degrees on."""
    z, f = NormalDist().inv_cdf(share), max(freedom, 3.0)
    terms = (
        z,
        (z**3 + z) / 4 / f,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96 / f**2,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384 / f**3,
    )
    return sum(terms)
