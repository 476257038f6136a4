"""The layout of the bucket: every key that Strop makes. Pure. Below `{project}/`:

| key | content | written by |
|---|---|---|
| `images/{sha256}` | the bytes of an image: once, verified, never changed | ingest, custom-labels |
| `raw_field_data/{device}/{file}` | an upload, and the copy of an image without a label | the device, labeling-queue |
| `labeled_field_data/{folder}/{file}` | the copy of an image with a label; people may move it | labeling-queue |
| `datasets/{dataset}/{train or valid}/{folder}/…` | an image of a base data set | the operator |
| `datasets/versions/{version}/manifest.jsonl` | the manifest of a dataset version | trainer |
| `datasets/orders/{project version}.jsonl` | the manifest of an ordered training | custom-labels |
| `datasets/changes/{change}.jsonl` | the entries of a requested change of a hosted data set | custom-labels |
| `models/v{version}/{attempt}/{file}` | a file of a model package, and the outcomes of its evaluation | trainer |
| `models/v{version}/judged/{run}/{attempt}/{file}` | the outcomes of a later evaluation | trainer |
| `models/copies/{project version}/{file}` | a file of a copied project version | custom-labels |
| `backbones/{sha256}.onnx` | a backbone, shared by models | trainer |

`{folder}` is the label as the name of a folder (`strop_wire.fields.folder_of`), `{file}` the name that `file_name` makes.
"""

import re
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from strop_wire import fields

IMAGES = "images/"
UPLOADS = "raw_field_data/"
LABELED = "labeled_field_data/"
DATASETS = "datasets/"
MANIFESTS = "datasets/versions/"
ORDERS = "datasets/orders/"
CHANGES = "datasets/changes/"
MODELS = "models/"
MODEL_COPIES = "models/copies/"
BACKBONES = "backbones/"

EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}

BY_HAND = "by.hand"
"""The device of images that people put into the bucket: no device can have this name (`strop_wire.topics.NAME`)."""

_UNFIT = re.compile(r"[^\w.-]+")
_MAX_GUESS = 48
"""Bytes of the label in a file name: S3 takes keys of 1,024, of which a label as a folder takes up to 765."""


class Shot(Protocol):
    """What the name of a capture's file is made of. These columns of `captures` never change."""

    @property
    def id(self) -> UUID: ...
    @property
    def project(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def captured_at(self) -> datetime: ...
    @property
    def label(self) -> str: ...
    @property
    def confidence(self) -> float: ...
    @property
    def content_type(self) -> str: ...


def below(project: str, folder: str) -> str:
    """Return the prefix of all keys of a folder, one of the constants above."""
    return f"{project}/{folder}"


def image(project: str, sha256: str) -> str:
    return below(project, f"{IMAGES}{sha256}")


def upload(capture: Shot) -> str:
    """Return where a device uploads a capture, and where its copy lies while it has no label."""
    return below(capture.project, f"{UPLOADS}{capture.device}/{file_name(capture)}")


def labeled(capture: Shot, label: str) -> str:
    """Return where the copy of a capture with this label lies."""
    return below(capture.project, f"{LABELED}{fields.folder_of(label)}/{file_name(capture)}")


def file_name(capture: Shot) -> str:
    """Name the file of a capture for people: time in UTC, predicted label, confidence from 0 to 1, and the id.

    `20260301T120000Z_soda_can_0.57_0192….jpg`. Only the id is read back. An image brought by hand has no prediction.
    """
    guess = f"{_short(capture.label)}_{capture.confidence:.2f}" if capture.label else "by_hand"
    taken = f"{capture.captured_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    return f"{taken}_{guess}_{capture.id}.{EXTENSIONS[capture.content_type]}"


def dataset(project: str, name: str) -> str:
    """Return the prefix of a base data set."""
    return below(project, f"{DATASETS}{name}/")


def manifest(project: str, version: int) -> str:
    return below(project, f"{MANIFESTS}{version}/manifest.jsonl")


def order(project: str, project_version: UUID) -> str:
    return below(project, f"{ORDERS}{project_version}.jsonl")


def change(project: str, change_id: UUID) -> str:
    return below(project, f"{CHANGES}{change_id}.jsonl")


def attempt(project: str, version: int, number: int) -> str:
    """Return the folder of the files of a model, written by this attempt of its run."""
    return below(project, f"{MODELS}v{version}/{number}")


def judgement(project: str, version: int, run: UUID, number: int) -> str:
    """Return the folder of the outcomes of a model that an attempt of a run judges again."""
    return below(project, f"{MODELS}v{version}/judged/{run}/{number}")


def outcomes(folder: str, part: str, model: str = "") -> str:
    """Return where the outcomes of one part of an evaluation lie, below the folder of the attempt.

    `model` is "champion" for those of the model that was compared with.
    """
    return f"{folder}/outcomes-{part}{f'-{model}' if model else ''}.jsonl"


def model_copy(project: str, project_version: UUID, file: str) -> str:
    return below(project, f"{MODEL_COPIES}{project_version}/{file}")


def backbone(project: str, sha256: str) -> str:
    return below(project, f"{BACKBONES}{sha256}.onnx")


def _short(label: str) -> str:
    """Cut a label to what is safe in a file name everywhere: letters and digits of any script, `.`, `_` and `-`."""
    return _UNFIT.sub("_", label).encode()[:_MAX_GUESS].decode(errors="ignore")
