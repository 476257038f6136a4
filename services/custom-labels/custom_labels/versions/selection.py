"""Which entries of the two data sets a model is trained and tested on, and whether they will do. Pure.

The codes are those of the Custom Labels guide ("Terminal manifest content errors"); faults without one there have a text only.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from custom_labels.datasets import manifest, splitting
from strop_contracts import documents

MOST_TEST_IMAGES = 1000  # of one label
OVERLAP = 0.5
"""Share of the training labels that a test data set must have, as the guide's validation rules for manifests count it."""


class Unfit(Exception):
    """No model can be trained on these entries; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a data set; of no use without a hash."""

    source_ref: str
    labels: tuple[str, ...]
    sha256: str | None
    refused: bool = (
        False  # for a non-terminal error, when the data set was made: listed there, and no reason to stop here
    )


@dataclass(frozen=True, slots=True)
class Selection:
    """Labelled images, each content once."""

    train: tuple[Entry, ...]
    test: tuple[Entry, ...]

    @property
    def labels(self) -> list[str]:
        return sorted({entry.labels[0] for entry in self.train})

    def dumps(self) -> bytes:
        """The manifest of an order, as the trainer reads it, and where each image came from."""
        parts = {documents.Part.TRAIN: self.train, documents.Part.VALID: self.test}
        return documents.lines(_item(entry, part) for part, entries in parts.items() for entry in entries)


def _item(entry: Entry, part: documents.Part) -> documents.Item:
    assert entry.sha256
    return documents.Item(
        sha256=entry.sha256,
        label=entry.labels[0],
        part=part,
        origin=documents.Origin.BASE,
        group=entry.sha256,
        source=entry.source_ref,
    )


def select(train: Sequence[Entry], test: Sequence[Entry] | None) -> Selection:
    """Choose what is labelled and readable. `test` None: a fifth of the training images becomes the test set."""
    usable = _usable(train, "training")
    held = None if test is None else tuple(_usable(test, "test"))
    chosen = Selection(*_split(usable)) if held is None else Selection(tuple(usable), held)
    _judge_labels(chosen)
    if held is not None:  # a fifth of a label's one or two images is none
        _judge_overlap(chosen)
    _judge_test(chosen)
    return chosen


def _usable(entries: Sequence[Entry], which: str) -> list[Entry]:
    """What can be learned from; Unfit when too much cannot, or when one image has several labels."""
    bad = sum(entry.sha256 is None and not entry.refused for entry in entries)
    if bad > manifest.MAX_BAD * len(entries):
        raise Unfit(
            "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST: The manifest file contains too many invalid rows. "
            f"{bad} of the {len(entries)} entries of the {which} data set cannot be used."
        )
    found: dict[str, Entry] = {}
    for entry in entries:
        if not entry.sha256 or not entry.labels:
            continue
        if len(entry.labels) > 1:
            raise Unfit(
                f"{entry.source_ref} has several labels ({', '.join(entry.labels)}): one image, one label here."
            )
        first = found.setdefault(entry.sha256, entry)
        if first.labels != entry.labels:
            raise Unfit(
                f"One image has two labels: {first.source_ref} is {first.labels[0]!r}, "
                f"and its copy {entry.source_ref} is {entry.labels[0]!r}."
            )
    if not found:
        raise Unfit(f"The {which} data set has no labelled images.")
    return list(found.values())


def _split(usable: Sequence[Entry]) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    held = set(splitting.fifth((entry.source_ref, entry.labels) for entry in usable))
    if not held:
        raise Unfit(
            "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT: The manifest file doesn't have enough labeled images "
            "per label to perform auto-split."
        )
    train = tuple(entry for entry in usable if entry.source_ref not in held)
    return train, tuple(entry for entry in usable if entry.source_ref in held)


def _judge_labels(chosen: Selection) -> None:
    if len(chosen.labels) < 2:
        raise Unfit("ERROR_MANIFEST_TOO_FEW_LABELS: The manifest file has too few labels: at least 2 are needed.")
    manifest_labels = {entry.labels[0] for entry in (*chosen.train, *chosen.test)}
    if len(manifest_labels) > manifest.MAX_LABELS:
        raise Unfit("ERROR_MANIFEST_TOO_MANY_LABELS: The manifest file has too many labels.")


def _judge_overlap(chosen: Selection) -> None:
    common = set(chosen.labels) & {entry.labels[0] for entry in chosen.test}
    if len(common) < OVERLAP * len(chosen.labels):
        raise Unfit(
            "ERROR_INSUFFICIENT_LABEL_OVERLAP: Less than 50% label overlap between the training and testing manifest "
            f"files: the test data set has {len(common)} of the {len(chosen.labels)} labels of the training data set."
        )


def _judge_test(chosen: Selection) -> None:
    """What is tested must be known to some extent, and must not have been learned."""
    trained = {entry.sha256: entry for entry in chosen.train}
    for entry in chosen.test:
        if twin := trained.get(entry.sha256):
            raise Unfit(
                f"An image is in the training and in the test data set: {twin.source_ref} and {entry.source_ref}."
            )
    counts = Counter(entry.labels[0] for entry in chosen.test)
    label, most = counts.most_common(1)[0]
    if most > MOST_TEST_IMAGES:
        raise Unfit(f"The test data set has {most} images of {label!r}; {MOST_TEST_IMAGES} of a label is most.")
