"""The places in the bucket that ingest looks after, and what may lie there; pure."""

from dataclasses import dataclass
from uuid import UUID

from strop import errors
from strop_wire import fields

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
    """`{project}/labeled_field_data/{folder}/{capture}.{extension}`: a labelled capture, moved by us or by hand."""

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


Place = FieldImage | LabeledImage | DatasetImage


def field_key(project: str, device: str, capture: UUID, content_type: str) -> str:
    return f"{project}/raw_field_data/{device}/{capture}.{_EXTENSIONS[content_type]}"


def read(key: str) -> Place | None:
    """Say which place a key names; None for those that are nobody's upload, InvalidMessage for a wrong name."""
    try:
        match key.split("/"):
            case [*_, ""]:  # the marker of an empty folder
                return None
            case [project, "raw_field_data", device, name]:
                return FieldImage(project, device, _capture_id(name))
            case [project, "labeled_field_data", label, name]:
                return LabeledImage(project, fields.label_of(label), _capture_id(name))
            case [project, "datasets", dataset, ("train" | "valid") as split, label, _, *_]:
                return DatasetImage(project, dataset, split, fields.label_of(label))
    except ValueError as error:
        raise errors.InvalidMessage(f"{key}: {error}") from error
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
