"""Images that a training leaves out because they cannot be used, and when they are too many. Pure."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from strop import unusable
from strop_contracts import documents
from trainer import head

MOST = 0.05
"""Share of the images that may be left out, and one in any case. More points to a fault of the data set or of its storage:
a model of what happens to be left would hide it."""


class Item(Protocol):
    """An image of the data set."""

    @property
    def sha256(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def part(self) -> str: ...
    @property
    def origin(self) -> str: ...


Kind = TypeVar("Kind", bound=Item)


def split(items: Sequence[Kind], bad: Mapping[str, str]) -> tuple[tuple[Kind, ...], list[documents.LeftOut]]:
    """Take out the images that `bad` has a reason for, by sha256; head.CannotTrain when what is left will not do.

    That is so when too many are taken out, or all training images of a label: the model would not have the label.
    """
    kept = tuple(item for item in items if item.sha256 not in bad)
    skipped = [
        documents.LeftOut(
            sha256=item.sha256,
            source=item.source,
            label=item.label,
            part=item.part,
            origin=item.origin,
            reason=bad[item.sha256],
        )
        for item in items
        if item.sha256 in bad
    ]
    if len(skipped) > max(1, MOST * len(items)):
        raise head.CannotTrain(f"{told(skipped, len(items))}. At most {MOST:.0%} may be left out")
    if lost := sorted(_trained(items) - _trained(kept)):
        raise head.CannotTrain(f"{told(skipped, len(items))}. No training image of {', '.join(lost)} is left")
    return kept, skipped


def told(skipped: Sequence[documents.LeftOut], total: int) -> str:
    """One line that names some of the images and why they cannot be used."""
    return unusable.sentence([(each.source, each.reason) for each in skipped], total)


def _trained(items: Sequence[Item]) -> set[str]:
    return {item.label for item in items if item.part == "train"}
