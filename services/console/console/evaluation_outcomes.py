"""What became of each test image, and the true and false positives and negatives that follow from it."""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from strop import storage
from strop_contracts import documents

Kind = Literal["tp", "fp", "fn"]
KINDS: dict[Kind, str] = {"tp": "True positive", "fp": "False positive", "fn": "False negative"}
_FILES = 8
"""Evaluations kept in memory."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One test image. `answers`: the labels that the model gives it, best first; none if the confidence is low, or the image is like no label."""

    sha256: str
    label: str  # the truth
    predicted: str  # the best label, answered or not
    confidence: float
    answers: tuple[str, ...]
    novel: bool

    @property
    def right(self) -> bool:
        return self.answers == (self.label,)

    def kinds(self, label: str = "") -> set[Kind]:
        """What this image is for a label; without one, for any."""
        found: set[Kind] = set()
        if self.label in self.answers and label in {"", self.label}:
            found.add("tp")
        if any(answer != self.label and label in {"", answer} for answer in self.answers):
            found.add("fp")
        if self.label not in self.answers and label in {"", self.label}:
            found.add("fn")
        return found


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which images to show; "" is any. `label` counts as truth or answer, `true` and `predicted` as just that."""

    label: str = ""
    kind: str = ""
    true: str = ""
    predicted: str = ""

    def fits(self, outcome: Outcome) -> bool:
        kinds = outcome.kinds(self.label)
        return (
            (self.kind in kinds if self.kind else bool(kinds))
            and self.true in {"", outcome.label}
            and self.predicted in {"", outcome.predicted}
        )


def read(lines: bytes) -> list[Outcome]:
    """Read the outcomes object of an evaluation."""
    return [
        Outcome(one.sha256, one.label, one.predicted, one.confidence, one.answers, one.novel)
        for one in documents.Outcome.read(lines)
    ]


def order(found: Iterable[Outcome]) -> list[Outcome]:
    """Mistakes first, those made with most confidence on top; then what was right, the least sure first."""
    return sorted(found, key=lambda one: (one.right, one.confidence if one.right else -one.confidence, one.sha256))


def tally(found: Iterable[Outcome], label: str = "") -> Counter[Kind]:
    """How many images of each kind there are for a label, or for any."""
    return Counter(kind for outcome in found for kind in outcome.kinds(label))


def mistakes(found: Iterable[Outcome]) -> Counter[str]:
    """Images that went wrong for each label, as truth or as answer."""
    return Counter(label for one in found for label in {one.label, *one.answers} if one.kinds(label) & {"fp", "fn"})


class Files:
    """The latest outcome files that somebody looked at, read."""

    def __init__(self, store: storage.Storage) -> None:
        self._store = store
        self._read: OrderedDict[str, Sequence[Outcome]] = OrderedDict()

    async def body(self, key: str) -> bytes:
        """Return the bytes of a file."""
        return await self._store.get(key)

    async def get(self, key: str) -> Sequence[Outcome]:
        """Outcomes of a file; its key names one content permanently."""
        if key not in self._read:
            self._read[key] = read(await self._store.get(key))
        self._read.move_to_end(key)
        while len(self._read) > _FILES:
            self._read.popitem(last=False)
        return self._read[key]
