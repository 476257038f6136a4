"""What the demo's cameras see: base, field and held-out images, split by source image, with a shift between them.

STATE/demo/base/{train,valid}/{label}/…   as the factory photographed them
STATE/demo/field/{label}/…                as the devices will see them (shifted)
STATE/demo/heldout/{label}/…              shifted too, used only for the closing table
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from strop_cli import tree
from strop_contracts import errors
from strop_devstack import render
from strop_devstack.render import shift
from strop_edge import disk, image

SHARES = {"base": 0.4, "field": 0.4, "heldout": 0.2}
VALID = 5
"""Every so many base images goes to `valid`."""

RENDERED_PER_LABEL = 140


@dataclass(frozen=True)
class Prepared:
    """Where the parts lie, and how many images each has."""

    folder: Path
    labels: tuple[str, ...]
    base: int
    field: int
    heldout: int
    unused: tuple[str, ...] = ()  # what of a tree of images is not used and why, in lines for people

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
    """Fill the folder from a tree `<label>/…`, or from the renderer; what is there already and whole is kept.

    Images that cannot be used are left out and named. `report` is called with how many of how many are done.
    """
    done = folder / "prepared.json"
    if not _is_whole(folder):
        for name in (done.name, *SHARES):
            _remove(folder / name)
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            found = _usable(images, pool.map) if images else None
            jobs = list(_from_tree(folder, found) if found else _rendered(folder))
            made = []
            for sha256 in pool.map(_write, jobs, chunksize=16):
                made.append(sha256)
                report(len(made), len(jobs))
        truth = {sha: job.label for job, sha in zip(jobs, made, strict=True)}
        disk.write(folder / "truth.json", json.dumps(truth).encode())
        counts = {part: sum(job.part == part for job in jobs) for part in SHARES}
        disk.write(done, json.dumps({**counts, "unused": found.unused if found else []}).encode())
    known = json.loads(done.read_text())
    labels = sorted(path.name for path in (folder / "field").iterdir())
    return Prepared(folder, tuple(labels), **{**known, "unused": tuple(known["unused"])})


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


@dataclass(frozen=True)
class _Usable:
    """The images of a tree by label, and what of the tree is not used."""

    labels: dict[str, list[Path]]
    unused: list[str]


def _usable(images: Path, spread: Callable[..., Iterator[tuple[str, str]]]) -> _Usable:
    """Find the images that can be decoded, those of each label in the order of their hashes.

    So the split is the same on every machine, without a trace of the order in which they were taken. Refused when too few are left.
    """
    found = tree.walk(images)
    places: dict[str, str] = {}  # path by hash
    labels: dict[str, list[tuple[str, Path]]] = {}
    for (path, file), (sha256, wrong) in zip(
        found.files.items(), spread(_judge, found.files.values(), chunksize=16), strict=True
    ):
        label, below, _ = path.partition("/")
        if not below:
            found.left_out[path] = "in no folder of a label"
        elif wrong:
            found.problems[tree.shown(path)] = wrong
        elif (other := places.setdefault(sha256, path)).partition("/")[0] != label:
            found.problems[tree.shown(path)] = f"the same image as {tree.shown(other)}, which has another label"
        else:
            labels.setdefault(label, []).append((sha256, file))
    if len(labels) < 2 or min(map(len, labels.values())) < 10:
        raise errors.Refused("\n".join([*found.report(), f"{images}: {_too_few(labels)}"]))
    return _Usable({label: [file for _, file in sorted(files)] for label, files in labels.items()}, found.report())


def _too_few(labels: Mapping[str, Sequence[object]]) -> str:
    usable = ", ".join(f"{label} {len(files)}" for label, files in labels.items()) or "none"
    return f"expected at least 2 folders <label>/ with at least 10 images each, found {usable}"


def _judge(file: Path) -> tuple[str, str]:
    """Return the hash of an image, and why it cannot be used ("" when it can)."""
    try:
        data = file.read_bytes()
        image.decode(data)
    except OSError as error:
        return str(file), f"cannot be read: {error.strerror}"
    except image.BadImage as error:
        return hashlib.sha256(data).hexdigest(), str(error)
    return hashlib.sha256(data).hexdigest(), ""


def _from_tree(folder: Path, found: _Usable) -> Iterator[_Job]:
    for label, files in found.labels.items():
        yield from _split(folder, label, files)


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
