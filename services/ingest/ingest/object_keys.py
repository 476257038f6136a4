"""What the keys of the bucket that ingest handles name; pure. `strop_contracts.keys` makes them."""

import re
from dataclasses import dataclass
from uuid import UUID

from strop_contracts import errors
from strop_wire import fields, hidden

_CAPTURE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class FieldImage:
    """`{project}/raw_field_data/…/{file}`: a device's upload, or an image without a label that a person put there.

    `capture`: the last id in the file's name, which may be one that Strop did not make; None without any.
    """

    project: str
    capture: UUID | None


@dataclass(frozen=True, slots=True)
class LabeledImage:
    """`{project}/labeled_field_data/{folder}/…/{file}`: an image with a label, put there by Strop or by a person."""

    project: str
    label: str
    capture: UUID | None


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


def is_hidden(key: str) -> bool:
    """Whether a file below a project is one that systems and tools create (`strop_wire.hidden`)."""
    return hidden.part(key.partition("/")[2]) is not None


def parse(key: str) -> NamedObject | None:
    """Return what a key names; None for keys that ingest ignores, InvalidMessage for a wrong folder.

    In the folders of devices and labels files may lie at any depth: the first folder below `labeled_field_data` is the label.
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
        case [project, "raw_field_data", *_, name]:
            return FieldImage(project, _capture_id(name))
        case [project, "labeled_field_data", label, *_, name]:
            return LabeledImage(project, fields.label_of(label), _capture_id(name))
        case [project, "datasets", dataset, ("train" | "valid") as split, label, _, *_]:
            return DatasetImage(project, dataset, split, fields.label_of(label))
        case [_, "labeled_field_data", _] | [_, "datasets", _, "train" | "valid", _]:
            raise ValueError("the file lies in no folder of a label")
    return None


def _capture_id(name: str) -> UUID | None:
    """Return the last id in the name of a file: people add words on both sides of it, such as "Copy of" and "(1)"."""
    found = _CAPTURE.findall(name)
    return UUID(found[-1]) if found else None
