"""The gain that more labels can be expected to bring, from what they brought before. Pure.

The error is taken to fall as a power of the number of training images, error ~ images^-b (Hestness et al., "Deep Learning
Scaling is Predictable, Empirically", 2017). Each model that was compared with its champion on the same golden images gives
one estimate of b; their mean and standard error give the gain of the next training and its interval.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

FEWEST = 3
"""Comparisons from which a gain is estimated."""
_SIDES = 1.96  # standard errors of a 95 % interval of many estimates; with few it is too narrow, which the words say


@dataclass(frozen=True, slots=True)
class Comparison:
    """A model and its champion on the same golden images."""

    images: int  # that the model was trained on
    champion_images: int
    golden: int
    right: int
    champion_right: int

    @property
    def exponent(self) -> float:
        """The estimate of b. Half an image is added to both errors, so that none is zero."""
        ratio = (self.golden - self.champion_right + 0.5) / (self.golden - self.right + 0.5)
        return math.log(ratio) / math.log(self.images / self.champion_images)


@dataclass(frozen=True, slots=True)
class Gain:
    """Expected change in accuracy on field images; None without enough comparisons."""

    value: float | None
    low: float = 0.0
    high: float = 0.0
    comparisons: int = 0

    def __str__(self) -> str:
        if self.value is None:
            return f"unknown: {self.comparisons} of {FEWEST} trainings compared with a champion on field images"
        points = f"{100 * self.value:+.1f} points ({100 * self.low:.1f} to {100 * self.high:.1f})"
        return f"{points}, estimated from {self.comparisons} trainings"


def expected(comparisons: Sequence[Comparison], more: int) -> Gain:
    """Estimate the gain in accuracy of training the newest model on `more` further images."""
    usable = [each for each in comparisons if each.images > each.champion_images and each.golden]
    if len(usable) < FEWEST:
        return Gain(None, comparisons=len(usable))
    exponents = [each.exponent for each in usable]
    mean = sum(exponents) / len(exponents)
    spread = math.sqrt(sum((each - mean) ** 2 for each in exponents) / (len(exponents) - 1) / len(exponents))
    newest = usable[-1]
    error = (newest.golden - newest.right + 0.5) / (newest.golden + 1)

    def gain(exponent: float) -> float:
        return error * (1 - math.pow(newest.images / (newest.images + more), exponent))

    return Gain(gain(mean), gain(mean - _SIDES * spread), gain(mean + _SIDES * spread), len(usable))
