"""The places in the bucket that ingest looks after, and what may lie there; pure."""

from dataclasses import dataclass
from uuid import UUID

from strop_contracts import errors
from strop_wire import fields, hidden

MAX_ATTEMPTS = 3
"""Uploads that do not match their announcement before the capture is dropped."""

_EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}


@dataclass(frozen=True, slots=True)
class FieldImage:
    """`{project}/raw_field_data/{device}/{capture}.{extension}`: a device's upload."""

    project: str
    device: str
    capture: UUID


@dataclass(frozen=True, slots=True)
class LabeledImage:
    """`{project}/labeled_field_data/{folder}/…/{capture}.{extension}`: a labelled capture, moved by us or by hand."""

    project: str
    label: str
    capture: UUID


@dataclass(frozen=True, slots=True)
class DatasetImage:
    """`{project}/datasets/{dataset}/{train|valid}/{folder}/…`: an image of a base data set."""

    project: str
    dataset: str
    split: str
    label: str


@dataclass(frozen=True, slots=True)
class HiddenFile:
    """A file in a base data set that systems and tools leave behind: no image, and no row of one stays."""

    project: str


Place = FieldImage | LabeledImage | DatasetImage | HiddenFile


def field_key(project: str, device: str, capture: UUID, content_type: str) -> str:
    return f"{project}/raw_field_data/{device}/{capture}.{_EXTENSIONS[content_type]}"


def is_hidden(key: str) -> bool:
    """Whether a file below a project is one that systems and tools leave behind (`strop_wire.hidden`)."""
    return hidden.part(key.partition("/")[2]) is not None


def read(key: str) -> Place | None:
    """Say which place a key names; None for those that ingest leaves alone, InvalidMessage for a wrong name or place.

    In the folder of a label files may lie at any depth: the first folder is the label.
    """
    parts = key.split("/")
    if is_hidden(key):
        return HiddenFile(parts[0]) if parts[1] == "datasets" else None
    try:
        return _read(parts)
    except ValueError as error:
        raise errors.InvalidMessage(f"{key}: {error}") from error


def _read(parts: list[str]) -> Place | None:
    match parts:
        case [*_, ""]:  # the marker of an empty folder
            return None
        case [project, "raw_field_data", device, name]:
            return FieldImage(project, device, _capture_id(name))
        case [project, "labeled_field_data", label, *_, name]:
            return LabeledImage(project, fields.label_of(label), _capture_id(name))
        case [project, "datasets", dataset, ("train" | "valid") as split, label, _, *_]:
            return DatasetImage(project, dataset, split, fields.label_of(label))
        case [_, "raw_field_data", _, _, *_]:
            raise ValueError("expected raw_field_data/DEVICE/CAPTURE.jpg")
        case [_, "raw_field_data" | "labeled_field_data", _] | [_, "datasets", _, "train" | "valid", _]:
            raise ValueError("the file lies in no folder of a device or label")
    return None


def spelled(key: str, place: LabeledImage) -> str:
    """Return where the file of this key belongs: people may write the folder of a label in several ways."""
    return "/".join((place.project, "labeled_field_data", fields.folder_of(place.label), key.rpartition("/")[2]))


def _capture_id(name: str) -> UUID:
    try:
        return UUID(name.partition(".")[0])
    except ValueError:
        raise ValueError(f"the file name {name!r} does not begin with a capture id") from None


def mismatch(announced_size: int, announced_sha256: str, size: int, sha256: str) -> str | None:
    """Say how an arrived file differs from its announcement; `size` is at most one byte over the announced one."""
    if size > announced_size:
        return f"longer than the announced {announced_size} bytes"
    if size < announced_size:
        return f"{size} bytes instead of the announced {announced_size}"
    if sha256 != announced_sha256:
        return f"sha256 {sha256} instead of the announced {announced_sha256}"
    return None
