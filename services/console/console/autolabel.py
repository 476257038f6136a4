"""Folders become labels: the import that Rekognition offers only in its console, over its API.

The API takes manifests. This writes one from the folders below a prefix (the first folder is the label), puts it beside
them and hands it over. It needs `s3:ListBucket`, `s3:PutObject` for the manifest, and `rekognition:DescribeProjects`,
`CreateDataset`, `DescribeDataset`, `ListDatasetEntries`, `UpdateDatasetEntries`, `DeleteDataset`; who creates a data set
must be allowed to read the images.
"""

import asyncio
import codecs
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from strop import storage
from strop_contracts import errors
from strop_wire import fields, hidden

TYPES = (".jpg", ".jpeg", ".png")
KINDS = ("TRAIN", "TEST")
_LARGEST_UPDATE = 5 * 2**20 - 1  # bytes of entries in one call; "must be less than 5 MB"
_PAUSE = 0.5  # seconds between two looks at a data set

Report = Callable[[int], None]
"""Told how many entries were looked at."""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder in a bucket. The prefix ends with a slash, or is empty for the whole bucket."""

    bucket: str
    prefix: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies below a prefix: images with their label (None at the prefix itself), and why other keys are left out.

    Of hidden folders the folder stands for all that lies in it.
    """

    images: Mapping[str, str | None]
    left_out: Mapping[str, str]

    @property
    def labels(self) -> list[str]:
        return sorted({label for label in self.images.values() if label is not None})


@dataclass(frozen=True, slots=True)
class Begun:
    """What was handed over; the data set takes it in from here on."""

    dataset: str  # ARN
    manifest: str  # s3://…
    listing: Listing


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of it: the data set's description, and the image and the errors of each bad line."""

    description: Mapping[str, Any]
    bad: Sequence[tuple[str, str]]

    @property
    def complete(self) -> bool:
        return str(self.description["Status"]).endswith("_COMPLETE")


def place(uri: str) -> Place:
    """Read `s3://bucket/folder/`; a last slash is put there when it is missing."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    if not (uri.startswith("s3://") and bucket):
        raise errors.Refused(f"{uri} is not a place in S3: expected s3://BUCKET/FOLDER/")
    return Place(bucket, prefix if prefix.endswith("/") or not prefix else f"{prefix}/")


def names(body: bytes) -> dict[str, str]:
    """Read a `cat_to_name.json`: from the names of folders to those of labels. UTF-8, with or without a byte order mark."""
    try:
        found = json.loads(_text(body))
    except (ValueError, RecursionError) as error:
        raise errors.Refused(f"the names are not JSON: {error}") from error
    if not (isinstance(found, dict) and all(isinstance(name, str) and name.strip() for name in found.values())):
        raise errors.Refused('the names must be one JSON object such as {"1": "pink primrose"}')
    return found


def _text(body: bytes) -> str:
    """Decode UTF-8, whatever the locale. Another encoding is refused: guessing it would spoil the names."""
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in body:
        raise errors.Refused("the names are in UTF-16: save the file as UTF-8")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise errors.Refused(
            f"the names are not in UTF-8 (line {line} holds the byte 0x{body[error.start]:02x}): save the file as UTF-8"
        ) from error


def read(keys: Iterable[str], prefix: str, called: Mapping[str, str]) -> Listing:
    """Return the label of each image: the first folder below the prefix, with its name in `called` if it has one."""
    images, left_out = {}, {}
    for key in keys:
        folder, below, _ = key.removeprefix(prefix).partition("/")
        if part := hidden.part(key.removeprefix(prefix)):
            left_out[f"{prefix}{part}"] = hidden.REASON
        elif key.lower().endswith(TYPES):
            images[key] = label(folder, called) if below else None
        elif not key.endswith("/"):  # the marker of an empty folder
            left_out[key] = hidden.NO_IMAGE
    return Listing(images, left_out)


def label(folder: str, called: Mapping[str, str]) -> str:
    """Return the label of a folder. Refused when it names none, with the folder and the reason."""
    try:
        return fields.label(called[folder]) if folder in called else fields.label_of(folder)
    except fields.Malformed as error:
        raise errors.Refused(f"folder {folder!r}: {error}") from error


def manifest(bucket: str, listing: Listing, at: datetime) -> list[str]:
    """Write a line for each image. Who reads it by number finds the labels numbered in the order of their names."""
    numbers = {label: number for number, label in enumerate(listing.labels)}
    created = f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}"

    def line(key: str, label: str | None) -> str:
        entry: dict[str, Any] = {"source-ref": f"s3://{bucket}/{key}"}
        if label is not None:
            entry["label"] = numbers[label]
            entry["label-metadata"] = {
                "class-name": label,
                "confidence": 1,
                "human-annotated": "yes",
                "creation-date": created,
                "type": "groundtruth/image-classification",
                "job-name": "import",
            }
        return json.dumps(entry, ensure_ascii=False) + "\n"

    return [line(key, label) for key, label in listing.images.items()]


def batches(lines: Iterable[str], limit: int = _LARGEST_UPDATE) -> list[bytes]:
    """Join lines to pieces that one UpdateDatasetEntries takes."""
    found = [bytearray()]
    for line in map(str.encode, lines):
        if found[-1] and len(found[-1]) + len(line) > limit:
            found.append(bytearray())
        found[-1] += line
    return [bytes(piece) for piece in found]


async def look(bucket: storage.Storage, prefix: str, called: Mapping[str, str]) -> Listing:
    """List what is below a prefix. Refused when there is no image, or names are given and none of them fits."""
    found = read([key async for key in bucket.keys(prefix)], prefix, called)
    if not found.images:
        raise errors.Refused(f"s3://{bucket.bucket}/{prefix} has no JPEG or PNG images")
    if called and not {label(folder, called) for folder in called} & set(found.labels):
        raise errors.Refused(f"no folder of s3://{bucket.bucket}/{prefix} is among the names given")
    return found


async def begin(
    client: Any, bucket: storage.Storage, project_arn: str, kind: str, prefix: str, called: Mapping[str, str]
) -> Begun:
    """Write the manifest and hand it to the project's data set of this kind ("TRAIN" or "TEST"). May be repeated.

    A project without such a data set gets one; entries of one that is there are added and replaced; one that could not
    be created is made anew. `client` is an asynchronous client of rekognition.
    """
    listing = await look(bucket, prefix, called)
    lines = manifest(bucket.bucket, listing, datetime.now(UTC))
    key = f"{prefix.rstrip('/') or kind.lower()}.manifest"
    await bucket.put(key, "".join(lines).encode(), "application/x-ndjson")
    there = await _dataset(client, project_arn, kind)
    if there and there["Status"] == "CREATE_FAILED":
        await _delete(client, project_arn, there["DatasetArn"], kind)
        there = None
    if there:
        await _update(client, there["DatasetArn"], lines)
        arn = str(there["DatasetArn"])
    else:
        source = {"GroundTruthManifest": {"S3Object": {"Bucket": bucket.bucket, "Name": key}}}
        made = await client.create_dataset(ProjectArn=project_arn, DatasetType=kind, DatasetSource=source)
        arn = str(made["DatasetArn"])
    return Begun(arn, f"s3://{bucket.bucket}/{key}", listing)


async def finish(client: Any, dataset_arn: str, report: Report = lambda _: None) -> Taken:
    """Wait until the data set has taken everything in, or failed; then say which lines were bad."""
    description = await _settled(client, dataset_arn, report)
    return Taken(description, [each async for each in _bad(client, dataset_arn)])


async def projects(client: Any) -> dict[str, dict[str, Any]]:
    """Every project's description, by name."""
    pages = client.get_paginator("describe_projects").paginate()
    return {each["ProjectArn"].split("/")[1]: each async for page in pages for each in page["ProjectDescriptions"]}


async def _dataset(client: Any, project_arn: str, kind: str) -> dict[str, Any] | None:
    described = {each["ProjectArn"]: each for each in (await projects(client)).values()}
    if project_arn not in described:
        raise errors.NotFound(f"there is no project {project_arn}")
    datasets = described[project_arn].get("Datasets", [])
    return next((each for each in datasets if each["DatasetType"] == kind), None)


async def _delete(client: Any, project_arn: str, dataset_arn: str, kind: str) -> None:
    await client.delete_dataset(DatasetArn=dataset_arn)
    while await _dataset(client, project_arn, kind):
        await asyncio.sleep(_PAUSE)


async def _update(client: Any, dataset_arn: str, lines: Sequence[str]) -> None:
    for piece in batches(lines):
        await _settled(client, dataset_arn)  # one change at a time
        await client.update_dataset_entries(DatasetArn=dataset_arn, Changes={"GroundTruth": piece})


async def _settled(client: Any, dataset_arn: str, report: Report = lambda _: None) -> dict[str, Any]:
    while True:
        found: dict[str, Any] = (await client.describe_dataset(DatasetArn=dataset_arn))["DatasetDescription"]
        report(found["DatasetStats"].get("TotalEntries", 0))
        if not found["Status"].endswith("_IN_PROGRESS"):
            return found
        await asyncio.sleep(_PAUSE)


async def _bad(client: Any, dataset_arn: str) -> AsyncIterator[tuple[str, str]]:
    pages = client.get_paginator("list_dataset_entries").paginate(DatasetArn=dataset_arn, HasErrors=True)
    async for page in pages:
        for entry in map(json.loads, page["DatasetEntries"]):
            yield entry.get("source-ref", "a line without image"), "; ".join(wrong(entry))


def wrong(entry: Mapping[str, Any]) -> list[str]:
    """What stands against a line: `cl-errors` of the line itself, and of the metadata of its labels."""
    parts = [entry, *(value for value in entry.values() if isinstance(value, dict))]
    return [f"{each['code']}: {each['message']}" for part in parts for each in part.get("cl-errors", [])]
