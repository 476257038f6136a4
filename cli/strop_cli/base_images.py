"""Import base images over the control API: S3 gets the bytes by presigned PUTs, ingest returns the outcome of each."""

import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import httpx

from strop_cli import api, tree
from strop_contracts import control, errors, keys
from strop_wire import fields, topics

SPLITS = ("train", "valid")
NO_LABEL = f"not below {' or '.join(f'{split}/LABEL/' for split in SPLITS)}"

_BATCH = 100  # files granted by one request: their URLs are used long before they expire
_PARALLEL = 16  # files read or uploaded at a time
_ATTEMPTS = 3  # of an upload whose connection fails
_PATIENCE = 60.0  # seconds without any outcome from ingest
_PAUSE = 0.3  # seconds between two requests for outcomes
_TIMEOUT = httpx.Timeout(120, connect=10)  # seconds

Report = Callable[[int, int], None]
"""Is called with the number of files that are uploaded, and the number of those that ingest has processed."""

Part = TypeVar("Part")


@dataclass
class Imported:
    """The outcome of an import, by path below the data set."""

    accepted: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    unchanged: int = 0
    conflicts: Sequence[str] = ()
    others: Sequence[str] = ()  # images of the data set that are not in the folder
    removed: bool = False  # whether these were removed


@dataclass(frozen=True)
class DataSet:
    """A data set of a project, reached over the control API."""

    client: api.Api
    project: str
    name: str

    @property
    def _path(self) -> tuple[str, ...]:
        return "ingest", "projects", self.project, "datasets", self.name

    def load(self, files: Mapping[str, Path], report: Report = lambda _uploaded, _processed: None) -> Imported:
        """Upload files that are new or changed, and wait for the outcome of each. Files that cannot be read are refused."""
        done, waiting = Imported(), list[str]()
        since: datetime | None = None
        with ThreadPoolExecutor(_PARALLEL) as pool:
            for batch in _batches(list(files), _BATCH):
                read = dict(zip(batch, pool.map(lambda path: _read(path, files[path]), batch), strict=True))
                new = [each for each in read.values() if isinstance(each, control.NewFile)]
                done.refused |= {path: each for path, each in read.items() if isinstance(each, str)}
                if not new:
                    continue
                granted = self.client.send(
                    "POST", control.Uploads, *self._path, "uploads", body=control.NewFiles(files=new)
                )
                since = since or granted.at
                done.unchanged += len(new) - len(granted.uploads)
                for path, fault in _upload(pool, granted.uploads, files).items():
                    done.refused |= {path: fault} if fault else {}
                    waiting += [] if fault else [path]
                report(done.unchanged + len(done.refused) + len(waiting), done.unchanged)
        if since:
            self._await(waiting, since, done, lambda: report(len(files), len(files) - len(waiting)))
        return done

    def others(self, files: Mapping[str, Path]) -> list[str]:
        """Return the images of the data set that are not among the files."""
        return sorted({*self.client.get(control.Paths, *self._path, "paths").paths} - {*files})

    def remove(self, paths: Sequence[str]) -> None:
        """Delete images."""
        for part in _batches(paths, control.MAX_FILES):
            self.client.change("POST", *self._path, "remove", body=control.Removal(paths=part))

    def _await(self, waiting: list[str], since: datetime, done: Imported, report: Callable[[], None]) -> None:
        """Move the paths of `waiting` to `done` as their outcomes arrive. Raises StropError after _PATIENCE without one."""
        last = time.monotonic()
        while waiting:
            body = control.Uploaded(paths=waiting[: control.MAX_FILES], since=since)
            new = self.client.send("POST", control.Outcomes, *self._path, "outcomes", body=body).outcomes
            if new:
                last = time.monotonic()
                waiting[:] = [path for path in waiting if path not in new]
                done.refused |= {path: reason for path, reason in new.items() if reason}
                done.accepted += sum(not reason for reason in new.values())
            elif time.monotonic() - last > _PATIENCE:
                missing = f"{len(waiting)} files were not processed within {_PATIENCE:.0f} s"
                raise errors.StropError(f"{missing}: is ingest running? `strop status` shows queues and dead letters")
            report()
            time.sleep(_PAUSE)


def conflicts(client: api.Api, project: str) -> list[str]:
    """Describe the base images of a project that lie under several labels, one a line."""
    return client.get(list[str], "trainer", "projects", project, "conflicts")


def find(folder: Path, project: str, name: str) -> tuple[tree.Tree, dict[str, Path]]:
    """Return what a tree of base images contains, and its images by path.

    Raises Refused if there is no image, a label is invalid, or `name` cannot be the name of a data set.
    """
    if not topics.valid_name(name):
        raise errors.Refused(f"{name!r} cannot be the name of a data set: use letters, digits, hyphens and underscores")
    found = tree.walk(folder)
    for path in [path for path in found.files if not _labelled(path)]:
        found.left_out[path] = NO_LABEL
        del found.files[path]
    for split, label in sorted({tuple(path.split("/")[:2]) for path in found.files}):
        _check_label(folder / split / label)
    if not found.files:
        expected = f"{folder} has no images: expected {folder}/train/LABEL/*.jpg and {folder}/valid/LABEL/*.jpg"
        raise errors.Refused("\n".join([*found.report(), expected]))
    prefix = keys.dataset(project, name)
    return found, {key.removeprefix(prefix): file for key, file in found.keys(prefix).items()}


def _labelled(path: str) -> bool:
    match path.split("/"):
        case [split, _, _, *_]:
            return split in SPLITS
    return False


def _check_label(folder: Path) -> None:
    try:
        fields.label_of(folder.name)
    except fields.Malformed as error:
        raise errors.Refused(f"{folder}: {error}") from error


def _batches(parts: Sequence[Part], size: int) -> Iterator[list[Part]]:
    rest = iter(parts)
    while part := list(islice(rest, size)):
        yield part


def _read(path: str, file: Path) -> control.NewFile | str:
    """Describe a file; returns the reason if it cannot be read."""
    try:
        body = file.read_bytes()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    about = {"sha256": sha256(body).hexdigest(), "size": len(body), "content_type": tree.TYPES[file.suffix.lower()]}
    return control.NewFile.model_validate({"path": path, **about})


def _upload(
    pool: ThreadPoolExecutor, uploads: Sequence[control.Upload], files: Mapping[str, Path]
) -> dict[str, str | None]:
    """Upload files; returns by path why a file cannot be uploaded, or None."""
    if not uploads:
        return {}
    with api.connect(uploads[0].url, timeout=_TIMEOUT) as s3:
        faults = pool.map(lambda each: _put(s3, each, files[each.path]), uploads)
        return dict(zip([each.path for each in uploads], faults, strict=True))


def _put(s3: httpx.Client, upload: control.Upload, file: Path) -> str | None:
    """Upload a file; returns a reason if its bytes are not those that were announced. Raises StropError if S3 fails."""
    try:
        body = file.read_bytes()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if b64encode(sha256(body).digest()).decode() != upload.headers["x-amz-checksum-sha256"]:
        return "changed during the import"
    reason = ""
    for _ in range(_ATTEMPTS):
        try:
            response = s3.put(upload.url, content=body, headers=upload.headers)
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            continue
        if response.is_success:
            return None
        reason = f"status {response.status_code}"
        if response.is_client_error:
            break
    raise errors.StropError(
        f"cannot upload to S3 at {urlsplit(upload.url).netloc} ({reason}): devices and this command use the address "
        "STROP_PUBLIC_S3_URL of ingest"
    )
