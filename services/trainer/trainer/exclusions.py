"""Images that a training leaves out because they cannot be used, and when they are too many. Pure."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from strop import unusable
from strop_contracts import documents
from trainer.backends import base

MOST = 0.05
"""Share of the images that may be left out, and one in any case. More points to a fault of the data set or of its storage:
a model of what happens to be left would hide it."""


Item = TypeVar("Item", bound=documents.Item)


def split(items: Sequence[Item], bad: Mapping[str, str]) -> tuple[tuple[Item, ...], list[documents.LeftOut]]:
    """Take out the images that `bad` has a reason for, by sha256; CannotTrain if the others do not suffice.

    They do not if more than `MOST` are taken out, or all training images of a label: the model would not have the label.
    """
    kept = tuple(item for item in items if item.sha256 not in bad)
    left_out = [_left_out(item, bad[item.sha256]) for item in items if item.sha256 in bad]
    if len(left_out) > max(1, MOST * len(items)):
        raise base.CannotTrain(f"{describe(left_out, len(items))}. At most {MOST:.0%} may be left out")
    if lost := sorted(_trained(items) - _trained(kept)):
        raise base.CannotTrain(f"{describe(left_out, len(items))}. No training image of {', '.join(lost)} is left")
    return kept, left_out


def describe(left_out: Sequence[documents.LeftOut], total: int) -> str:
    """Return one line with some of the images and why they cannot be used."""
    return unusable.sentence([(each.source, each.reason) for each in left_out], total)


def _left_out(item: documents.Item, reason: str) -> documents.LeftOut:
    about = {"label": item.label, "part": item.part, "origin": item.origin, "reason": reason}
    return documents.LeftOut(sha256=item.sha256, source=item.source or f"sha256 {item.sha256}", **about)


def _trained(items: Sequence[documents.Item]) -> set[str]:
    return {item.label for item in items if item.part == documents.Part.TRAIN}
