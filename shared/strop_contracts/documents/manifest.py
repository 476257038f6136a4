"""The manifest of a dataset version and of an order: which images, labels and parts make a model. One image a line."""

from enum import StrEnum

from strop_contracts.documents.base import Line

Counts = dict[str, int]
"""Images of a dataset version by "origin/part": `dataset_versions.counts`."""


class Part(StrEnum):
    """What an image is used for."""

    TRAIN = "train"
    VALID = "valid"  # held-out base images; of an order: the test images
    GOLDEN = "golden"  # held-out field images
    ASIDE = "aside"  # a near copy of an image on the other side: not used


class Origin(StrEnum):
    """Where an image comes from."""

    BASE = "base"
    FIELD = "field"


class Item(Line):
    """One labelled image."""

    sha256: str
    label: str
    part: Part
    origin: Origin
    group: str  # near copies share it: device and day; a base image is a group of its own
    source: str = ""  # the key of a base image, the id of a capture, or the source of an order's line
