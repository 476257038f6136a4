"""Simulated fleets with audits, of which the truth is known: for tests, and for `benchmarks/quality.py`.

In each window every image is drawn, then audits, losses and labels, as on a platform in operation: the labels of a window are
divided among strata by what the window before showed. Plain audits: as many labels, drawn from all images alike, with the interval
of Wilson, which is the narrowest one whose coverage holds for them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from router.quality import estimate, intervals, sample, solver
from strop_contracts import strata

LABELS = 6
MIX = (0.30, 0.25, 0.20, 0.12, 0.08, 0.05)
SHIFTED = (0.05, 0.05, 0.10, 0.20, 0.25, 0.35)
POINTS = np.array([0.15, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.92, 0.95, 0.98, 0.985, 0.994, 0.997, 0.9985, 0.9995])
"""Confidences of the simulated images."""
STRATUM = np.array([strata.of(point) for point in POINTS])
BIN = np.minimum((POINTS * 10).astype(int), 9)
JUDGED = 2
"""The label whose precision and recall are checked."""

Array = np.ndarray
Curve = Callable[[Array], Array]


def calibrated(confidence: Array) -> Array:
    return confidence


def tempered(heat: float) -> Curve:
    """Make confidences state too much (above 1) or too little (below 1)."""
    return lambda c: 1 / (1 + (1 / c - 1) ** (1 / heat))


@dataclass(frozen=True, slots=True)
class Fleet:
    """A fleet and what happens to its audits. Halves of a window can differ in label mix and losses."""

    name: str
    rate: float = 0.05
    mixes: tuple[Sequence[float], Sequence[float]] = (MIX, MIX)
    right: Curve = calibrated  # share of right predictions by confidence
    wrong_label: float = 1.0  # factor to that share, for one label
    arrive: Curve = np.ones_like  # share of the audits that arrive, by confidence
    late: float = 1.0  # share of those of the second half that are labelled in time
    images: int = 60_000


FLEETS = (
    Fleet("calibrated, 5 % audits"),
    Fleet("1 % audits", rate=0.01),
    Fleet("10 % audits, small fleet", rate=0.10, images=8000),
    Fleet("overconfident", right=tempered(1.6)),
    Fleet("underconfident", right=tempered(1 / 1.5)),
    Fleet("label shift in the middle, late labels", mixes=(MIX, SHIFTED), late=0.4),
    Fleet("spool full: audits dropped", arrive=lambda c: np.where(c < 0.6, 0.3, 0.9)),
    Fleet("uploads declined where confident", arrive=lambda c: np.where(c > 0.9, 0.35, 0.9)),
    Fleet("one label half wrong", wrong_label=0.5),
    Fleet("5 % unknown objects", right=lambda c: 0.95 * c),
)


def shares(mix: Sequence[float]) -> Array:
    """Return the share of images by label and confidence: easy images near 1, hard ones anywhere above 0.3."""
    dice = np.random.default_rng(5)
    edges = np.concatenate([[0.0], (POINTS[1:] + POINTS[:-1]) / 2, [1.0]])
    easy, hard = (
        np.histogram(drawn, edges)[0] / drawn.size
        for drawn in (dice.beta(45, 0.35, 200_000), dice.uniform(0.3, 1, 200_000))
    )
    clear = 0.72 + np.linspace(0.08, -0.12, LABELS)[:, None]
    return np.asarray(mix)[:, None] * (clear * easy + (1 - clear) * hard)


@dataclass(frozen=True, slots=True)
class Window:
    """One window of many fleets: axes are fleet, label (twice, by half), confidence, and kind of image.

    Kinds: right; wrong, in truth the judged label; other wrong ones.
    """

    images: Array
    audits: Array
    labelled: Array
    second: Array  # probability by fleet and stratum


def draw(fleet: Fleet, dice: np.random.Generator, repeats: int, labels: int, spreads: Array) -> Window:
    """Draw a window: images, audits among them that arrive, and labels of these."""
    split = np.concatenate([shares(mix) / 2 for mix in fleet.mixes])
    counts = dice.multinomial(fleet.images, (split / split.sum()).ravel(), repeats).reshape(repeats, *split.shape)
    right = np.broadcast_to(fleet.right(POINTS), split.shape).copy()
    right[[LABELS - 2, 2 * LABELS - 2]] *= fleet.wrong_label
    hits = dice.binomial(counts, right)
    mistaken = dice.binomial(counts - hits, 1 / (LABELS - 1))
    mistaken[:, [JUDGED, JUDGED + LABELS]] = 0
    images = np.stack([hits, mistaken, counts - hits - mistaken], axis=-1)
    in_time = np.repeat([1.0, fleet.late], LABELS)[:, None]
    audits = dice.binomial(images, (fleet.rate * fleet.arrive(POINTS) * np.ones_like(in_time))[..., None])
    second = allocation(audits, images, labels, spreads)
    labelled = dice.binomial(audits, (in_time * second[:, None, STRATUM])[..., None])
    return Window(images, audits, labelled, second)


def by_stratum(counts: Array) -> Array:
    """Sum counts by fleet and stratum."""
    of_point = counts.sum(axis=(1, 3))
    return np.stack([of_point[:, k == STRATUM].sum(1) for k in range(strata.COUNT)], axis=1)


def allocation(audits: Array, images: Array, labels: int, spreads: Array) -> Array:
    """Return the probability of each stratum's audits to be labelled."""
    sizes, most = by_stratum(images), by_stratum(audits)
    expected = np.maximum(most.mean(0), 1e-9)
    return np.array(
        [
            np.minimum(1, np.array(solver.allocate(cells(size, spread), labels, expected)) / expected)
            for size, spread in zip(sizes, spreads, strict=True)
        ]
    )


def cells(sizes: Array, spreads: Array) -> list[solver.Cell]:
    return [solver.Cell(size, spread) for size, spread in zip(sizes.tolist(), spreads.tolist(), strict=True)]


def stratify(window: Window, k: int, rows: Sequence[int], kind: int) -> list[sample.Stratum]:
    """Return the strata of fleet k and these rows of labels; hits are images of this kind."""
    images, audits, labelled = (each[k][list(rows)].sum(0) for each in (window.images, window.audits, window.labelled))
    made = sample.empty()
    seen = audits.sum(1)
    for number, stratum in enumerate(made):
        inside, weight = number == STRATUM, 1 / max(window.second[k, number], 1e-9)
        if stratum_audits := float(seen[inside].sum()):
            stratum.audits = stratum_audits
            stratum.confidence = float((seen * POINTS)[inside].sum() / stratum_audits)
        stratum.weight = float(labelled[inside].sum() * weight)
        stratum.squares = stratum.weight * weight
        stratum.hits = float(labelled[inside, kind].sum() * weight)
    bins = np.bincount(BIN, images.sum(1), minlength=10)
    sample.resize(made, bins.tolist(), [float(seen[n == STRATUM].sum()) for n in range(strata.COUNT)])
    return made


OWN, ALL = (JUDGED, JUDGED + LABELS), range(2 * LABELS)
OTHERS = [row for row in ALL if row not in OWN]


def judge(window: Window, k: int, dice: np.random.Generator) -> list[tuple[bool, float]]:
    """Return for accuracy, plain audits, precision and recall whether the interval covers the truth, and its width."""
    own, rest = window.images[k][list(OWN)].sum((0, 1)), window.images[k][OTHERS].sum((0, 1))
    truth = window.images[k][..., 0].sum() / window.images[k].sum()
    count = int(window.labelled[k].sum())
    plain = intervals.score(dice.binomial(count, truth) / count, count, 1e9, estimate.LEVEL)
    mine = stratify(window, k, OWN, 0)
    found = (
        (estimate.accuracy(stratify(window, k, ALL, 0)), truth),
        (plain, truth),
        (estimate.accuracy(mine), own[0] / own.sum()),
        (estimate.recall(mine, stratify(window, k, OTHERS, 1)), own[0] / (own[0] + rest[1])),
    )
    return [(each.low <= value <= each.high, each.high - each.low) if each else (True, 1.0) for each, value in found]


def simulate(fleet: Fleet, repeats: int, labels: int) -> tuple[float, Array, Array]:
    """Return the accuracy of a fleet, and coverage and mean width of the four intervals in the third window of a plan."""
    dice = np.random.default_rng(labels)
    spreads = np.tile([max(0.1, (m * (1 - m)) ** 0.5) for m in sample.MIDDLES], (repeats, 1))
    for _ in range(2):
        window = draw(fleet, dice, repeats, labels, spreads)
        spreads = np.array([estimate.spreads(stratify(window, k, ALL, 0)) for k in range(repeats)])
    window = draw(fleet, dice, repeats, labels, spreads)
    found = np.array([judge(window, k, dice) for k in range(repeats)])
    truth = float(window.images[..., 0].sum() / window.images.sum())
    return truth, found[..., 0].mean(0), found[..., 1].mean(0)
