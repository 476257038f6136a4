"""The statistics that judgements rest on."""

import math
from collections.abc import Mapping
from statistics import NormalDist

from strop_contracts import documents

_Z = 1.959963984540054  # the normal quantile of a two-sided 95 % interval


def wilson(hits: int, total: int) -> documents.Share | None:
    """Share of hits with the score interval of Wilson (1927); None when there was nothing to count."""
    if total == 0:
        return None
    share, square = hits / total, _Z * _Z / total
    centre = (share + square / 2) / (1 + square)
    half = _Z * math.sqrt(share * (1 - share) / total + square / (4 * total)) / (1 + square)
    return documents.Share(share, max(0.0, centre - half), min(1.0, centre + half))


def f1(true_positives: int, false_positives: int, false_negatives: int) -> documents.Share | None:
    """F1 with an interval: F1 = 2J / (1 + J) grows with the Jaccard index J = TP / (TP + FP + FN), which is a share."""
    index = wilson(true_positives, true_positives + false_positives + false_negatives)
    return index and documents.Share(*(2 * j / (1 + j) for j in (index.value, index.low, index.high)))


def sign_test(losses: int, gains: int) -> float:
    """Exact one-sided p-value of `losses` or more among losses + gains, were both equally likely (McNemar's, paired)."""
    total = losses + gains
    ways: int = sum(math.comb(total, k) for k in range(losses, total + 1))
    return ways / (1 << total)


def holm(p_values: Mapping[str, float], level: float) -> list[str]:
    """Names whose hypothesis is rejected when the chance of any false rejection is held at `level` (Holm 1979)."""
    rejected: list[str] = []
    for name in sorted(p_values, key=lambda name: p_values[name]):
        if p_values[name] > level / (len(p_values) - len(rejected)):
            break
        rejected.append(name)
    return rejected


def images_needed(change: float, discordant: float, level: float, power: float) -> int:
    """Return how many paired images show a gain of `change` in accuracy at a one-sided `level` with probability `power`.

    `discordant` is the share of images on which the two models differ (Connor 1987, for McNemar's test).
    """
    differing = max(discordant, change)
    quantile = NormalDist().inv_cdf
    wide = quantile(1 - level) * math.sqrt(differing) + quantile(power) * math.sqrt(differing - change * change)
    return math.ceil((wide / change) ** 2)


def detectable(images: int, discordant: float, level: float, power: float) -> float | None:
    """Return the smallest gain, in steps of a thousandth, for which `images_needed` is at most `images`; None without one."""
    return next((k / 1000 for k in range(1, 1001) if images_needed(k / 1000, discordant, level, power) <= images), None)
