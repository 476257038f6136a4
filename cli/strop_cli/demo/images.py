"""What the demo's cameras see: base, field and held-out images, split by source image, with a shift between them.

STATE/demo/base/{train,valid}/{label}/…   as the factory photographed them
STATE/demo/field/{label}/…                as the devices will see them (shifted)
STATE/demo/heldout/{label}/…              shifted too, seen by nobody until the closing table
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from strop import errors
from strop_cli import render, shift
from strop_edge import disk

SHARES = {"base": 0.4, "field": 0.4, "heldout": 0.2}
VALID = 5
"""Every so many base images goes to `valid`."""

RENDERED_PER_LABEL = 140
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


@dataclass(frozen=True)
class Prepared:
    """Where the parts lie, and how many images each has."""

    folder: Path
    labels: tuple[str, ...]
    base: int
    field: int
    heldout: int

    def truth(self) -> dict[str, str]:
        """The true label by content hash, for the simulated labeler."""
        return dict(json.loads((self.folder / "truth.json").read_text()))


@dataclass(frozen=True)
class _Job:
    """One image to write; from a file, or rendered when `source` is None."""

    source: Path | None
    label: str
    number: int
    part: str
    target: Path


def prepare(folder: Path, images: Path | None, report: Callable[[int, int], None]) -> Prepared:
    """Fill the folder from a tree `<label>/*.jpg`, or from the renderer; what is there already and whole is kept.

    `report` hears how many of how many are done.
    """
    done = folder / "prepared.json"
    if not _is_whole(folder):
        for name in (done.name, *SHARES):
            _remove(folder / name)
        jobs = list(_from_tree(folder, images) if images else _rendered(folder))
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            made = []
            for sha256 in pool.map(_write, jobs, chunksize=16):
                made.append(sha256)
                report(len(made), len(jobs))
        truth = {sha: job.label for job, sha in zip(jobs, made, strict=True)}
        disk.write(folder / "truth.json", json.dumps(truth).encode())
        disk.write(done, json.dumps({part: sum(job.part == part for job in jobs) for part in SHARES}).encode())
    counts = json.loads(done.read_text())
    labels = sorted(path.name for path in (folder / "field").iterdir())
    return Prepared(folder, tuple(labels), **counts)


def _is_whole(folder: Path) -> bool:
    """Whether everything is there that an earlier demo made: a power cut leaves empty files."""
    try:
        truth, counts = (json.loads((folder / name).read_bytes()) for name in ("truth.json", "prepared.json"))
        files = [file for part in SHARES for file in (folder / part).rglob("*.jpg")]
        found = {hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
        return found == set(truth) and len(files) == sum(int(counts[part]) for part in SHARES)
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return False


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _from_tree(folder: Path, images: Path) -> Iterator[_Job]:
    labels = sorted(path for path in images.iterdir() if path.is_dir() and not path.name.startswith("."))
    found = {label.name: sorted(p for p in label.iterdir() if p.suffix.lower() in SUFFIXES) for label in labels}
    found = {label: files for label, files in found.items() if files}
    if len(found) < 2 or min(map(len, found.values())) < 10:
        raise errors.Refused(
            f"{images}: expected at least 2 folders <label>/ with at least 10 images each, found "
            + (", ".join(f"{label} {len(files)}" for label, files in found.items()) or "none")
        )
    for label, files in found.items():
        # A hash orders the files: the same split on every machine, and no trace of the order they were taken in.
        mixed = sorted(files, key=lambda path: hashlib.sha256(path.read_bytes()).digest())
        yield from _split(folder, label, mixed)


def _rendered(folder: Path) -> Iterator[_Job]:
    for label in render.LABELS:
        yield from _split(folder, label, [None] * RENDERED_PER_LABEL)


def _split(folder: Path, label: str, sources: list[Path] | list[None]) -> Iterator[_Job]:
    base, field = (round(len(sources) * SHARES[part]) for part in ("base", "field"))
    for number, source in enumerate(sources):
        part = "base" if number < base else "field" if number < base + field else "heldout"
        split = ("valid" if number % VALID == 0 else "train",) if part == "base" else ()
        yield _Job(source, label, number, part, folder.joinpath(part, *split, label, f"{label}-{number:05d}.jpg"))


def _write(job: _Job) -> str:
    """Make one image and return its content hash."""
    shifted = job.part != "base"
    if job.source is None:
        data = render.render(job.label, job.number, field=shifted)
    else:
        data = job.source.read_bytes()
        data = shift.field(data, seed=job.number) if shifted else data
    job.target.parent.mkdir(parents=True, exist_ok=True)
    job.target.write_bytes(data)
    return hashlib.sha256(data).hexdigest()
