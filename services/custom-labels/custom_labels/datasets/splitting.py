"""The split of a data set into training and test images. Pure."""

import hashlib
from collections.abc import Iterable

SHARE = 0.2
"""Part of each label's images that goes to the test set."""


def fifth(labelled: Iterable[tuple[str, tuple[str, ...]]]) -> list[str]:
    """Choose 20 % of the images of each label, rounded, the same ones each time; one of one or two would be too many."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for ref, labels in labelled:
        groups.setdefault(labels, []).append(ref)
    return [ref for refs in groups.values() for ref in sorted(refs, key=_mixed)[: int(len(refs) * SHARE + 0.5)]]


def _mixed(ref: str) -> str:
    """An order that has nothing to do with names: photos of one scene have neighbouring ones."""
    return hashlib.sha256(ref.encode()).hexdigest()
