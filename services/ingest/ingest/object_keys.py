"""What the keys of the bucket that ingest handles name; pure. `strop_contracts.keys` makes them."""

from dataclasses import dataclass
from uuid import UUID

from strop_contracts import errors, keys
from strop_wire import fields, hidden


@dataclass(frozen=True, slots=True)
class FieldImage:
    """`{project}/raw_field_data/{device}/{capture}.{extension}`: a device's upload."""

    project: str
    device: str
    capture: UUID


@dataclass(frozen=True, slots=True)
class LabeledImage:
    """`{project}/labeled_field_data/{folder}/…/{capture}.{extension}`: a labelled capture, moved by Strop or manually."""

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
    """A file that systems and tools create in a base data set: it is no image and keeps no row."""

    project: str


NamedObject = FieldImage | LabeledImage | DatasetImage | HiddenFile


def labeled_image(key: str, image: LabeledImage) -> str:
    """Return the key at which the file of this key belongs: people may write the folder of a label in several ways."""
    return keys.labeled_file(image.project, image.label, key.rpartition("/")[2])


def is_hidden(key: str) -> bool:
    """Whether a file below a project is one that systems and tools create (`strop_wire.hidden`)."""
    return hidden.part(key.partition("/")[2]) is not None


def parse(key: str) -> NamedObject | None:
    """Return what a key names; None for keys that ingest ignores, InvalidMessage for a wrong file name or folder.

    In the folder of a label files may lie at any depth: the first folder is the label.
    """
    parts = key.split("/")
    if is_hidden(key):
        return HiddenFile(parts[0]) if parts[1] == "datasets" else None
    try:
        return _parse(parts)
    except ValueError as error:
        raise errors.InvalidMessage(f"{key}: {error}") from error


def _parse(parts: list[str]) -> NamedObject | None:
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


def _capture_id(name: str) -> UUID:
    try:
        return UUID(name.partition(".")[0])
    except ValueError:
        raise ValueError(f"the file name {name!r} does not begin with a capture id") from None
