"""Whether a model is worse in the field than in its evaluation: a test that is repeated as labels come in. Pure."""

import math
from statistics import NormalDist

LEVEL = 0.05
"""Chance at most that a model that is not worse is ever reported: look k has `LEVEL` / (k (k + 1)), which sums up to it."""
EVERY = 25
"""Labelled audits of a model between two looks."""
_Z = NormalDist().inv_cdf(0.975)


def due(labelled: int, looks: int) -> bool:
    """Whether enough audits are labelled for the next look."""
    return labelled >= EVERY * (looks + 1)


def significant(value: float, high: float, expected: float, expected_low: float, look: int) -> bool:
    """Whether an accuracy is below the expected one, by a one-sided test at look 1, 2, …

    `high` and `expected_low` are ends of 95 % intervals; each gives the standard error on the side of the other value.
    """
    error = math.hypot(high - value, expected - expected_low) / _Z
    return expected > value and NormalDist().cdf(-(expected - value) / max(error, 1e-9)) <= LEVEL / (look * (look + 1))
