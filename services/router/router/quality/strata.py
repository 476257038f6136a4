"""Strata of images: by confidence, each with its number of images and its labelled audits. Pure.

The size of a stratum comes from the counts of all devices, which know ten bins of equal width. Most images of a good model
lie in the last bin, so the audits, labelled or not, divide it further.
"""

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from strop_wire import reports

EDGES = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97, 0.99, 0.998)
"""Confidences at which the next stratum begins: ten strata."""
STRATA = len(EDGES) + 1
MIDDLES = tuple((low + high) / 2 for low, high in zip((0.0, *EDGES), (*EDGES, 1.0), strict=True))
_BINS = tuple(bisect.bisect_right(EDGES, (k + 0.5) / reports.BINS) for k in range(reports.BINS - 1))
"""The stratum that contains each bin of the counts but the last."""
_DIVIDED = range(_BINS[-1] + 1, STRATA)
"""The strata that divide the last bin."""


def of(confidence: float) -> int:
    """Return the number of the stratum of a confidence, 0 for the lowest."""
    return bisect.bisect_right(EDGES, confidence)


@dataclass(frozen=True, slots=True)
class Audit:
    """An audit: an image that a device chose at random, with its prediction and, if people labelled it, the truth."""

    label: str  # predicted
    confidence: float
    weight: float  # 1 / the probability that it is an audit
    truth: str | None = None  # None: not labelled
    second: float = 1.0  # probability that it is sent to labelers, once it is an audit


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


def stratify(bins: Sequence[float], audits: Iterable[Audit]) -> list[Stratum]:
    """Return the ten strata of images with these counts by bin, and with these audits; `hits` are the right ones."""
    made = empty()
    first = [(0.0, 0.0, 0.0)] * STRATA
    for audit in audits:
        k = of(audit.confidence)
        first[k] = _added(first[k], audit)
        if audit.truth is not None:
            _label(made[k], audit)
    for stratum, (weight, squares, confidence) in zip(made, first, strict=True):
        if weight:
            stratum.audits, stratum.confidence = weight**2 / squares, confidence / weight
    resize(made, bins, [weight for weight, _, _ in first])
    return made


def _added(sums: tuple[float, float, float], audit: Audit) -> tuple[float, float, float]:
    weight, squares, confidence = sums
    return weight + audit.weight, squares + audit.weight**2, confidence + audit.weight * audit.confidence


def _label(stratum: Stratum, audit: Audit) -> None:
    weight = audit.weight / audit.second
    stratum.weight += weight
    stratum.squares += weight**2
    stratum.hits += weight * (audit.truth == audit.label)


def resize(made: list[Stratum], bins: Sequence[float], weights: Sequence[float]) -> None:
    """Set the sizes: those of bins exactly, those of the parts of the last bin in proportion to their audits."""
    for k, count in zip(_BINS, bins, strict=False):
        made[k].size += count
    total = sum(weights[k] for k in _DIVIDED)
    for k in _DIVIDED:
        made[k].size = bins[-1] * (weights[k] / total if total else 1 / len(_DIVIDED))


def pooled(strata: Sequence[Stratum], least: float) -> list[Stratum]:
    """Merge neighbours until each stratum has `least` labelled audits; what remains at the end joins the last one."""
    found: list[Stratum] = []
    waiting: Stratum | None = None
    for stratum in strata:
        waiting = stratum if waiting is None else waiting.merged(stratum)
        if waiting.labelled >= least:
            found.append(waiting)
            waiting = None
    if waiting is not None:
        found.append(found.pop().merged(waiting) if found else waiting)
    return found
