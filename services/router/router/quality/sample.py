"""Strata of images: by confidence, each with its number of images and its labelled audits. Pure.

The size of a stratum comes from the counts of all devices, which know ten bins of equal width. Most images of a good model
lie in the last bin, so the audits, labelled or not, divide it further.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from strop_contracts import strata
from strop_wire import reports

MIDDLES = tuple((low + high) / 2 for low, high in pairwise((0.0, *strata.EDGES, 1.0)))
_BINS = tuple(strata.of((k + 0.5) / reports.BINS) for k in range(reports.BINS - 1))
"""The stratum that contains each bin of the counts but the last."""
_DIVIDED = range(_BINS[-1] + 1, strata.COUNT)
"""The strata that divide the last bin."""


@dataclass(frozen=True, slots=True)
class Audit:
    """Audits, images that a device chose at random, of equal prediction and truth, and of one stratum."""

    label: str  # predicted
    confidence: float  # mean
    weight: float  # 1 / the probability that it is an audit
    truth: str | None = None  # None: not labelled
    second: float | None = (
        1.0  # probability with which it was sent to labelers; 0: it was not; None: it is not stored yet
    )
    count: int = 1


@dataclass(slots=True)
class Stratum:
    """Images of similar confidence. Sums are over its labelled audits, each with its weight 1 / probability."""

    size: float = 0.0  # images
    divided: bool = False  # its size is a share of a bin, as observed by `audits`
    audits: float = 0.0  # of the first phase: effective number
    confidence: float = 0.0  # mean, of all audits
    weight: float = 0.0
    squares: float = 0.0
    hits: float = 0.0  # weight of those for which the variable in question is true

    @property
    def labelled(self) -> float:
        """The effective number of labelled audits (Kish 1965): their number when all weights are equal."""
        return self.weight**2 / self.squares if self.squares else 0.0

    def calibrated(self) -> "Stratum":
        """Return it with weights that sum up to its size, whatever share of its audits was lost or is not labelled yet."""
        factor = self.size / self.weight if self.weight else 0.0
        return replace(self, weight=self.weight * factor, squares=self.squares * factor**2, hits=self.hits * factor)

    def merged(self, other: "Stratum") -> "Stratum":
        """Return the union of two strata; weights keep the estimate free of bias when their probabilities differ."""
        size = self.size + other.size
        confidence = self.size * self.confidence + other.size * other.confidence
        return Stratum(
            size,
            self.divided and other.divided,
            self.audits + other.audits,
            confidence / size if size else self.confidence,
            self.weight + other.weight,
            self.squares + other.squares,
            self.hits + other.hits,
        )


def empty() -> list[Stratum]:
    """Return the ten strata without images."""
    return [Stratum(divided=k in _DIVIDED, confidence=middle) for k, middle in enumerate(MIDDLES)]


Hit = Callable[[Audit], bool]


def right(audit: Audit) -> bool:
    return audit.truth == audit.label


def stratify(bins: Sequence[float], audits: Iterable[Audit], hit: Hit = right) -> list[Stratum]:
    """Return the ten strata of images with these counts by bin, and with these audits; `hit`: the variable in question."""
    made = empty()
    first = [(0.0, 0.0, 0.0)] * strata.COUNT
    for audit in audits:
        k = strata.of(audit.confidence)
        first[k] = _added(first[k], audit)
        if audit.truth is not None:
            _label(made[k], audit, hit)
    for stratum, (weight, squares, confidence) in zip(made, first, strict=True):
        if weight:
            stratum.audits, stratum.confidence = weight**2 / squares, confidence / weight
    resize(made, bins, [weight for weight, _, _ in first])
    return made


def _added(sums: tuple[float, float, float], audit: Audit) -> tuple[float, float, float]:
    weight, squares, confidence = sums
    new = audit.count * audit.weight
    return weight + new, squares + new * audit.weight, confidence + new * audit.confidence


def _label(stratum: Stratum, audit: Audit, hit: Hit) -> None:
    each = audit.weight / (audit.second or 1.0)
    stratum.weight += audit.count * each
    stratum.squares += audit.count * each**2
    stratum.hits += audit.count * each * hit(audit)


def resize(made: list[Stratum], bins: Sequence[float], weights: Sequence[float]) -> None:
    """Set the sizes: those of bins exactly, those of the parts of the last bin in proportion to their audits."""
    for k, count in zip(_BINS, bins, strict=False):
        made[k].size += count
    total = sum(weights[k] for k in _DIVIDED)
    for k in _DIVIDED:
        made[k].size = bins[-1] * (weights[k] / total if total else 1 / len(_DIVIDED))


def pooled(cells: Sequence[Stratum], least: float) -> list[Stratum]:
    """Merge neighbours, calibrated, until each stratum has `least` labelled audits; what remains at the end joins the last one."""
    found: list[Stratum] = []
    waiting: Stratum | None = None
    for stratum in cells:
        new = stratum.calibrated()
        waiting = new if waiting is None else waiting.merged(new)
        if waiting.labelled >= least:
            found.append(waiting)
            waiting = None
    if waiting is not None:
        found.append(found.pop().merged(waiting) if found else waiting)
    return found
