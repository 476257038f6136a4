"""Geometry of the small charts that pages draw as SVG. Coordinates are percent of the width and of the height. Pure."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Bars:
    """Counts over time, as one path of bars that fills its box; the highest count touches the top."""

    path: str
    most: int

    @classmethod
    def of(cls, counts: Sequence[int]) -> "Bars":
        """Return the bars of at least one count."""
        most, width = max(counts), 100 / len(counts)
        bars = [
            f"M{place * width:.2f} 100V{100 - 100 * count / most:.2f}h{0.8 * width:.2f}V100z"
            for place, count in enumerate(counts)
            if count
        ]
        return cls("".join(bars), most)


@dataclass(frozen=True)
class Pair:
    """Two measures over the same looks, in one box that both fill; a look without a value leaves a gap."""

    new: str
    old: str
    zero: float  # where the value 0 lies

    @classmethod
    def of(cls, new: Sequence[float | None], old: Sequence[float | None]) -> "Pair | None":
        """Return the two paths; None without a value."""
        known = [value for value in (*new, *old) if value is not None]
        if not known:
            return None
        low, high = min(*known, 0.0), max(*known, 0.0)
        span = (high - low) or 1.0

        def down(value: float) -> float:
            return round(100 * (high - value) / span, 2)

        return cls(_path(new, down), _path(old, down), down(0.0))


def _path(values: Sequence[float | None], down: Callable[[float], float]) -> str:
    """Return a path over evenly spaced looks."""
    step, parts, gap = 100 / max(len(values) - 1, 1), list[str](), True
    for place, value in enumerate(values):
        if value is not None:
            parts.append(f"{'M' if gap else 'L'}{place * step:.2f} {down(value)}{'h0.01' if gap else ''}")
        gap = value is None
    return "".join(parts)


@dataclass(frozen=True)
class Point:
    """A share at a time, with its interval."""

    at: datetime
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Mark:
    """A point of a drawn line. `title` is what a pointer shows."""

    x: float
    y: float
    title: str


@dataclass(frozen=True)
class Line:
    """A named line with the band of its intervals."""

    name: str
    band: str
    path: str
    marks: Sequence[Mark]


@dataclass(frozen=True)
class Chart:
    """Lines over one time axis and one axis of shares; `ticks` are shares from the top to the bottom."""

    lines: Sequence[Line]
    ticks: Sequence[float]
    start: datetime
    end: datetime


# From fine to coarse; the last one covers any range of shares.
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25)
_MOST_TICKS = 5


def chart(series: Sequence[tuple[str, Sequence[Point]]]) -> Chart | None:
    """Draw named series of points in the order of time; None without a point."""
    points = [point for _, each in series for point in each]
    if not points:
        return None
    start, end = min(point.at for point in points), max(point.at for point in points)
    ticks = _ticks(min(point.low for point in points), max(point.high for point in points))
    return Chart([_line(name, each, start, end, ticks) for name, each in series if each], ticks, start, end)


def _ticks(low: float, high: float) -> list[float]:
    """Return round shares that enclose a range, the highest first."""
    for step in _STEPS:
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if last - first < _MOST_TICKS:
            break
    last = max(last, first + 1)
    return [round(place * step, 4) for place in range(last, first - 1, -1)]


def _line(name: str, points: Sequence[Point], start: datetime, end: datetime, ticks: Sequence[float]) -> Line:
    span, height = (end - start).total_seconds(), ticks[0] - ticks[-1]

    def across(at: datetime) -> float:
        return round(100 * (at - start).total_seconds() / span, 2) if span else 50.0

    def down(share: float) -> float:
        return round(100 * (ticks[0] - share) / height, 2)

    marks = [Mark(across(each.at), down(each.value), _title(name, each)) for each in points]
    above = [f"{across(each.at)} {down(each.high)}" for each in points]
    below = [f"{across(each.at)} {down(each.low)}" for each in reversed(points)]
    path = "M" + "L".join(f"{mark.x} {mark.y}" for mark in marks)
    return Line(name, f"M{'L'.join([*above, *below])}z", path, marks)


def _title(name: str, point: Point) -> str:
    interval = f"{100 * point.low:.1f} to {100 * point.high:.1f}"
    return f"{name}, {point.at:%Y-%m-%d %H:%M} UTC: {100 * point.value:.1f} % ({interval})"


@dataclass(frozen=True)
class Part:
    """A part of a bar of shares, from `x` on, `width` wide."""

    name: str
    x: float
    width: float


_PARTS = 4
"""Parts that have a colour of their own."""


def shares(counts: Mapping[str, int]) -> list[Part]:
    """Return the shares of the most frequent names side by side, and one part "other" for the rest."""
    total, most = sum(counts.values()), sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    if not total:
        return []
    shown = most[:_PARTS] if len(most) <= _PARTS else most[: _PARTS - 1]
    if rest := total - sum(number for _, number in shown):
        shown = [*shown, ("other", rest)]
    parts, x = [], 0.0
    for name, number in shown:
        parts.append(Part(name, round(x, 2), round(100 * number / total, 2)))
        x += 100 * number / total
    return parts
