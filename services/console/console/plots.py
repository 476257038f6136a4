"""Pictures of an evaluation, drawn by matplotlib as SVG: the confusion matrix and the calibration.

Everything here takes CPU time: call `svg` in a thread. matplotlib is imported at the first picture, for it takes a second.
"""

import io
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from strop import stats
from strop_contracts import documents

Theme = Literal["light", "dark"]
Draw = Callable[[Any, Mapping[str, str]], None]
"""Draws on a figure with these colours."""

COLOURS: Mapping[Theme, Mapping[str, str]] = {
    "light": {"text": "#26221d", "quiet": "#6a6157", "line": "#ddd5ca", "good": "#8a5524", "bad": "#a3311f"},
    "dark": {"text": "#ece7df", "quiet": "#a69c8f", "line": "#3a3631", "good": "#d9a066", "bad": "#ff9d8a"},
}
GROUND: Mapping[Theme, str] = {"light": "#ffffff", "dark": "#201e1b"}

NUMBERED = 40
"""Up to so many labels the cells of a confusion matrix carry their numbers."""

LONGEST = 24
"""Characters of a label beside a confusion matrix."""

_lock = threading.Lock()  # matplotlib keeps caches that are not made for several threads


def svg(draw: Draw, theme: Theme) -> bytes:
    """Draw a figure and return it as SVG. Text stays text, in the fonts of the reader's machine."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    made = io.BytesIO()
    style: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "strop", "text.parse_math": False}
    with _lock, mpl.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the browser has fonts for what ours lacks
        figure = Figure(layout="constrained", facecolor="none")
        draw(figure, {**COLOURS[theme], "ground": GROUND[theme]})
        figure.savefig(made, format="svg", transparent=True, metadata={"Date": None})
    return made.getvalue()


def confusion(found: documents.Confusion) -> Draw:
    """True labels down, predicted ones across; each row's colour is the share of its images."""
    names, counts = [*map(_short, found.labels)], found.counts
    size = len(names)
    side = 1.8 + max(0.16 * size, min(0.42 * size, 6.2))
    font = 9 if size <= 15 else 7.5 if size <= NUMBERED else 6

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        figure.set_size_inches(side, side)
        axes = figure.add_subplot()
        axes.imshow(_shades(counts, colours), interpolation="none")
        axes.set_xlabel("Predicted", color=colours["quiet"], fontsize=10)
        axes.set_ylabel("True", color=colours["quiet"], fontsize=10)
        for set_ticks in (axes.set_xticks, axes.set_yticks):
            set_ticks(range(size), names, fontsize=font, color=colours["text"])
        axes.tick_params(axis="x", rotation=90)
        axes.tick_params(length=0)
        _grid(axes, size, colours)
        if size <= NUMBERED:
            _numbers(axes, counts, font, colours)

    return draw


def _short(name: str) -> str:
    """Shorten a label that would leave no room for the matrix; the table beside it has the whole one."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _shades(counts: Sequence[Sequence[int]], colours: Mapping[str, str]) -> Any:
    """Image [rows, columns, RGB]: the ground, mixed with one colour on the diagonal and another beside it.

    Mistakes are shaded by the root of their share: a few of a hundred are to be seen too.
    """
    import numpy as np
    from matplotlib.colors import to_rgb

    table = np.asarray(counts, float)
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    right = np.eye(len(counts), dtype=bool)
    strength = np.where(right, shares, 0.15 * (shares > 0) + 0.85 * np.sqrt(shares))[..., None]
    ink = np.where(right[..., None], to_rgb(colours["good"]), to_rgb(colours["bad"]))
    return (1 - strength) * to_rgb(colours["ground"]) + strength * ink


def _grid(axes: Any, size: int, colours: Mapping[str, str]) -> None:
    edges = [place - 0.5 for place in range(size + 1)]
    line = {"color": colours["line"], "linewidth": 0.6 if size <= NUMBERED else 0.25}
    axes.hlines(edges, -0.5, size - 0.5, **line)
    axes.vlines(edges, -0.5, size - 0.5, **line)
    axes.spines[:].set_visible(False)


def _numbers(axes: Any, counts: Sequence[Sequence[int]], font: float, colours: Mapping[str, str]) -> None:
    for row, line in enumerate(counts):
        for column, count in enumerate(line):
            if count:
                strong = count / sum(line) > (0.5 if row == column else 0.2)
                ink = colours["ground"] if strong else colours["text"]
                axes.text(column, row, str(count), ha="center", va="center", fontsize=font, color=ink)


def calibration(bins: Sequence[documents.Bin]) -> Draw:
    """How often the model was right (with 95 % intervals) over how sure it was; below, how many images each bin has."""

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        figure.set_size_inches(5.4, 4.6)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
        above.plot([0, 1], [0, 1], color=colours["quiet"], linewidth=1, linestyle=(0, (4, 3)))
        for found in bins:
            if known := stats.wilson(found.right, found.images):
                sure = found.confidence / found.images
                above.vlines(sure, known.low, known.high, color=colours["good"], linewidth=1.5, alpha=0.6)
                above.plot(sure, known.value, "o", color=colours["good"], markersize=7)
        edges = [place / len(bins) for place in range(len(bins))]
        below.bar(edges, [one.images for one in bins], 0.92 / len(bins), align="edge", color=colours["good"], alpha=0.7)
        above.set_ylim(-0.03, 1.03)
        above.set_xlim(-0.02, 1.02)
        _label(above, None, "Share that was right", colours)
        _label(below, "Confidence", "Images", colours)

    return draw


def _label(axes: Any, across: str | None, up: str, colours: Mapping[str, str]) -> None:
    axes.set_xlabel(across, color=colours["quiet"], fontsize=10)
    axes.set_ylabel(up, color=colours["quiet"], fontsize=10)
    axes.tick_params(colors=colours["quiet"], labelsize=9, length=0)
    axes.grid(color=colours["line"], linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
