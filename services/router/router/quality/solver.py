"""The audit solver: how many labels of each stratum, and which share of images as audits, give a wished precision. Pure.

Labels are divided by Neyman (1934): in proportion to the size of a stratum and the spread of right and wrong in it. A part is
divided in proportion to size alone, so that a stratum whose spread is not what it was still gets labels.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

FLOOR = 0.35
"""The part of the labels that is divided in proportion to size."""
SLACK = 1.1
"""Audits of a stratum for each label that it needs: their number is random."""
MOST_RATE = 0.25
"""The largest `audit_rate` that is proposed: each audit is an upload."""
LEAST_RATE = 0.001
MARGIN = 1.04
"""By how much intervals are wider than those of known variances, for some hundred labels."""
_LEAST_SPREAD = 0.02


@dataclass(frozen=True, slots=True)
class Cell:
    """A stratum: its images in a window, and the standard deviation of right (1) and wrong (0) among them."""

    images: float
    spread: float


def allocate(cells: Sequence[Cell], labels: float, most: Sequence[float]) -> list[float]:
    """Divide a number of labels among the strata, at most `most` in each; what one cannot take goes to the others."""
    wanted = _shares(cells)
    given = [0.0] * len(cells)
    free = [k for k in range(len(cells)) if wanted[k] > 0]
    left = min(labels, sum(most[k] for k in free))
    while free and left > 1e-9:
        total = sum(wanted[k] for k in free)
        full = [k for k in free if wanted[k] / total * left >= most[k]]
        for k in full or free:
            given[k] = most[k] if full else wanted[k] / total * left
        left = left - sum(given[k] for k in full) if full else 0.0
        free = [k for k in free if k not in full] if full else []
    return given


def _shares(cells: Sequence[Cell]) -> list[float]:
    images = sum(each.images for each in cells) or 1.0
    spread = sum(each.images * max(each.spread, _LEAST_SPREAD) for each in cells) or 1.0
    return [
        FLOOR * each.images / images + (1 - FLOOR) * each.images * max(each.spread, _LEAST_SPREAD) / spread
        for each in cells
    ]


@dataclass(frozen=True, slots=True)
class Wish:
    """The precision that a project asks for. Half widths are shares (0.02: ±2 points); 0: not asked for."""

    half: float
    label_half: float = 0.0  # of the precision of each label
    hours: float = 168.0
    level: float = 0.95
    most_labels: int = 0  # in a window; 0: no limit


@dataclass(frozen=True, slots=True)
class Plan:
    """What meets a wish, or comes nearest to it."""

    audit_rate: float
    second: dict[str, tuple[float, ...]]  # by predicted label and stratum: share of the audits sent to labelers
    labels: float  # expected in a window
    half: float  # of the accuracy's interval
    label_half: dict[str, float]  # of each label's precision
    met: bool
    reason: str


def solve(seen: Mapping[str, Sequence[Cell]], wish: Wish, arrives: float) -> Plan:
    """Return the plan for images as seen in one window, by predicted label and stratum.

    `arrives`: share of the audits, once sent to labelers, that get a label in time.
    """
    whole = _whole(list(seen.values()))
    caps = [each.images * MOST_RATE * arrives / SLACK for each in whole]
    most = min(sum(caps), wish.most_labels or math.inf)
    wanted = allocate(whole, min(_needed(whole, caps, wish.half, wish.level), most), caps)
    by_label = {label: _of_label(cells, whole, wanted, wish, arrives) for label, cells in seen.items()}
    rate = _rate(seen, by_label, arrives)
    second = {label: _second(cells, by_label[label], rate * arrives) for label, cells in seen.items()}
    given = {label: _expected(cells, second[label], rate * arrives) for label, cells in seen.items()}
    half = half_width(whole, [sum(column) for column in zip(*given.values(), strict=True)], wish.level)
    labels = {label: half_width(cells, given[label], wish.level) for label, cells in seen.items()}
    total = sum(map(sum, given.values()))
    return Plan(rate, second, total, half, labels, half <= wish.half * 1.02, _sentence(wish, rate, total, half))


def _whole(by_label: Sequence[Sequence[Cell]]) -> list[Cell]:
    """Return the strata of all labels together. The spread of a union is at least the mean of spreads, by their squares."""
    return [_union(column) for column in zip(*by_label, strict=True)]


def _union(cells: Sequence[Cell]) -> Cell:
    images = sum(each.images for each in cells)
    square = sum(each.images * each.spread**2 for each in cells)
    return Cell(images, math.sqrt(square / images) if images else 0.0)


def _needed(cells: Sequence[Cell], caps: Sequence[float], half: float, level: float) -> float:
    """Return the smallest number of labels that gives this half width; all that are possible if none does."""
    low, high = 0.0, sum(caps)
    for _ in range(40):
        middle = (low + high) / 2
        enough = half_width(cells, allocate(cells, middle, caps), level) <= half
        low, high = (low, middle) if enough else (middle, high)
    return high


def _of_label(
    cells: Sequence[Cell], whole: Sequence[Cell], wanted: Sequence[float], wish: Wish, arrives: float
) -> list[float]:
    """Return the labels by stratum of a label: its part of all, or what its own precision needs if that is asked for."""
    part = [
        n * each.images / all_.images if all_.images else 0.0
        for n, each, all_ in zip(wanted, cells, whole, strict=True)
    ]
    if not wish.label_half or wish.most_labels:
        return part
    caps = [each.images * MOST_RATE * arrives / SLACK for each in cells]
    own = allocate(cells, _needed(cells, caps, wish.label_half, wish.level), caps)
    return [max(pair) for pair in zip(part, own, strict=True)]


def _rate(seen: Mapping[str, Sequence[Cell]], labels: Mapping[str, Sequence[float]], arrives: float) -> float:
    """Return the share of audits that gives each stratum its labels, with two significant digits."""
    needed = (
        SLACK * n / (cell.images * arrives)
        for label, cells in seen.items()
        for n, cell in zip(labels[label], cells, strict=True)
        if cell.images >= 1
    )
    rate = min(MOST_RATE, max(LEAST_RATE, *needed, 0.0))
    return float(f"{rate:.2g}")


def _second(cells: Sequence[Cell], labels: Sequence[float], arriving: float) -> tuple[float, ...]:
    audits = [each.images * arriving for each in cells]
    return tuple(min(1.0, n / a) if a >= 1 else 1.0 for n, a in zip(labels, audits, strict=True))


def _expected(cells: Sequence[Cell], second: Sequence[float], arriving: float) -> list[float]:
    return [each.images * arriving * share for each, share in zip(cells, second, strict=True)]


def _sentence(wish: Wish, rate: float, labels: float, half: float) -> str:
    asked = f"±{wish.half * 100:g} points in {wish.hours:g} hours"
    if half <= wish.half * 1.02:
        return f"{asked}: about {labels:.0f} labelled audits, audit_rate {rate:g}"
    limited = wish.most_labels and labels >= 0.95 * wish.most_labels
    limit = f"{wish.most_labels} labels" if limited else f"the images seen, with audit_rate {rate:g}"
    return f"{asked} cannot be met: {limit} give ±{half * 100:.1f} points, with about {labels:.0f} labelled audits"


def half_width(cells: Sequence[Cell], labels: Sequence[float], level: float) -> float:
    """Return half the width of the interval that these labels give for the share of right images, as a share."""
    images = sum(each.images for each in cells)
    variance = sum(
        (each.images / images * each.spread) ** 2 / max(count, 0.5) * max(0.0, 1 - count / each.images)
        for each, count in zip(cells, labels, strict=True)
        if each.images
    )
    return min(0.5, MARGIN * NormalDist().inv_cdf(1 - (1 - level) / 2) * math.sqrt(variance))
