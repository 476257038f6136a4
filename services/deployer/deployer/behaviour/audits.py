"""Compares the accuracy on labelled audits: devices on the new model with those on the old one, and with their own past."""

import math
from dataclasses import dataclass

ENOUGH = 8
"""Labelled audits below which nothing is compared."""
RESEMBLANCE = 1.5
"""Design effect: audits of one device resemble each other, so the old ones count for fewer by this factor."""


@dataclass(frozen=True, slots=True)
class Score:
    """Labelled audits, and those that the model had right."""

    right: int = 0
    total: int = 0

    @property
    def accuracy(self) -> float:
        return self.right / self.total


@dataclass(frozen=True, slots=True)
class Audits:
    """Labelled audits of the devices that have the new model, since then and before, and of the others since then."""

    new: Score = Score()
    own_past: Score = Score()
    old: Score = Score()


@dataclass(frozen=True, slots=True)
class Loss:
    """Accuracy lost, and its p-value."""

    reference: Score
    loss: float
    p: float


def loss(audits: Audits) -> Loss | None:
    """Return the loss against the reference that shows the smaller one; None with too few labels.

    Both must show it: against other devices alone, canaries in a dark place would look like a bad model; against their own past
    alone, a change of the light would. Without a past the others alone count.
    """
    if audits.new.total < ENOUGH or audits.old.total < ENOUGH:
        return None
    references = [each for each in (audits.old, audits.own_past) if each.total >= ENOUGH]
    found = [Loss(each, each.accuracy - audits.new.accuracy, _p(audits.new, each)) for each in references]
    return max(found, key=lambda each: each.p)


def _p(new: Score, reference: Score) -> float:
    """Return the chance of at most so many right answers, if the accuracy is that of the reference.

    The accuracy is unknown: Beta distributed by the reference's counts, so the number of right answers is beta-binomial.
    """
    a = reference.right / RESEMBLANCE + 1
    b = (reference.total - reference.right) / RESEMBLANCE + 1
    return min(1.0, sum(math.exp(_log_chance(k, new.total, a, b)) for k in range(new.right + 1)))


def _log_chance(k: int, n: int, a: float, b: float) -> float:
    choose = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return choose + _log_beta(k + a, n - k + b) - _log_beta(a, b)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
