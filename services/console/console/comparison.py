"""Two models on the same images: what changed for each label, and which images were gained and lost. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from strop_contracts import documents


@dataclass(frozen=True, slots=True)
class Changed:
    """An image that one of the two models has right."""

    sha256: str
    label: str  # the truth
    before: str  # the champion's best label
    after: str  # the challenger's
    gained: bool


@dataclass(frozen=True, slots=True)
class Row:
    """The images of a label, or all."""

    name: str
    images: int
    before: int  # that the champion has right
    after: int  # that the challenger has right
    gained: int
    lost: int

    @property
    def points(self) -> float:
        """The difference in accuracy, in points."""
        return 100 * (self.after - self.before) / self.images

    @property
    def words(self) -> str:
        """Return the difference, such as "+1.8"."""
        return f"{self.points:+.1f}" if self.after != self.before else "0"


@dataclass(frozen=True, slots=True)
class Comparison:
    total: Row
    labels: Sequence[Row]  # the largest loss first
    changed: Sequence[Changed]  # the lost ones first


Pair = tuple[documents.Outcome, documents.Outcome]


def compare(champion: Iterable[documents.Outcome], challenger: Iterable[documents.Outcome]) -> Comparison:
    """Compare the outcomes on the images that both have."""
    old = {each.sha256: each for each in champion}
    pairs = [(old[each.sha256], each) for each in challenger if each.sha256 in old]
    rows = [_row(name, [pair for pair in pairs if pair[1].label == name]) for name in {new.label for _, new in pairs}]
    changed = [
        Changed(new.sha256, new.label, before.predicted, new.predicted, new.right)
        for before, new in pairs
        if before.right != new.right
    ]
    return Comparison(
        _row("all labels", pairs),
        sorted(rows, key=lambda row: (row.points, row.name)),
        sorted(changed, key=lambda one: (one.gained, one.label, one.sha256)),
    )


def _row(name: str, pairs: Sequence[Pair]) -> Row:
    before, after = sum(old.right for old, _ in pairs), sum(new.right for _, new in pairs)
    gained = sum(new.right and not old.right for old, new in pairs)
    return Row(name, len(pairs), before, after, gained, gained - (after - before))
