"""`strop datasets`: images with known labels, from a folder tree."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from sqlalchemy import func, select

from console import autolabel
from strop import app, storage
from strop_cli import connection, differences, hosted, progress, projects, tree, upload
from strop_contracts import errors, keys, tables
from strop_wire import fields, topics
from trainer import datasets as trained

SPLITS = ("train", "valid")
_PATIENCE = 60.0  # seconds without any news from ingest
_REMOVED = "removed, not in the folder any more"
_KEPT = "kept, not in the folder any more (--delete removes them)"
NO_LABEL = f"not below {' or '.join(f'{split}/LABEL/' for split in SPLITS)}"

cli = typer.Typer(no_args_is_help=True, help="Data sets: images with known labels to begin with.")


class Kind(StrEnum):
    """The data sets of a Custom Labels project."""

    train = "train"
    test = "test"


Report = Callable[[int, int], None]
"""Told how many files are uploaded and how many of them ingest has looked at."""


@dataclass(frozen=True)
class Imported:
    taken: int
    refused: Mapping[str, str]  # key -> why
    unchanged: int
    conflicts: Sequence[trained.Conflict] = ()
    others: Sequence[str] = ()  # keys of the data set's images that are not in the folder
    removed: bool = False  # whether these were removed


@cli.command("import")
def import_(
    where: Annotated[
        list[str],
        typer.Argument(
            metavar="[PROJECT] FOLDER",
            help="FOLDER: a tree train/LABEL/…, valid/LABEL/… of JPEG, PNG or WebP files; with --auto-label a tree "
            "LABEL/…, here or in S3 as s3://BUCKET/FOLDER/, and PROJECT may be left out when there is only one.",
        ),
    ],
    name: Annotated[str, typer.Option(help="What the data set of a fleet is called.")] = "base",
    auto_label: Annotated[
        bool, typer.Option("--auto-label", help="Make a Custom Labels data set: the first folder is the label.")
    ] = False,
    kind: Annotated[
        Kind, typer.Option("--type", help="Which data set of the project, with --auto-label.")
    ] = Kind.train,
    names: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="A cat_to_name.json that says what folders are called, with --auto-label."
        ),
    ] = None,
    bucket: Annotated[
        str | None, typer.Option(help="Bucket for the images of a local folder, with --auto-label; else Strop's own.")
    ] = None,
    create: Annotated[
        bool, typer.Option("--create", help="Make the project when it is missing, with --auto-label.")
    ] = False,
    delete: Annotated[
        bool, typer.Option("--delete", help="Remove base images of the data set that are not in FOLDER any more.")
    ] = False,
    state: connection.State = None,
) -> None:
    """Import labelled images, and wait until each was taken or refused. May be repeated.

    The images of a folder tree are uploaded as a fleet's base images, or with --auto-label become a data set of
    the Custom Labels API. Whatever cannot be used is named, and the rest goes on. The exit code is 1 when an image
    was refused, or cannot be read.
    """
    project, folder = _where(where, optional=auto_label)
    if auto_label:
        if delete:
            raise errors.Refused(
                "--delete goes with base images: entries of a data set of the API stay until it is deleted"
            )
        called = autolabel.names(names.read_bytes()) if names else {}
        order = hosted.Order(project, folder, kind.upper(), called, bucket, create)
        complete = connection.run(state, lambda runtime: hosted.load(runtime, order))
    elif names or bucket or create or folder.startswith("s3://"):
        raise errors.Refused("--names, --bucket, --create and folders in S3 go with --auto-label")
    else:
        complete = _base(project or "", Path(folder), name, state, delete=delete)
    if not complete:
        raise typer.Exit(1)


@cli.command()
def check(project: str, state: connection.State = None) -> None:
    """Show a project's base images by label, and what is refused, of several labels, or not used, each with the reason.

    Where the bucket differs from what was taken in, the difference is looked at again.
    """
    Console().print(differences.words(connection.run(state, lambda runtime: differences.check(runtime, project))))


def _where(given: list[str], *, optional: bool) -> tuple[str | None, str]:
    match given:
        case [project, folder]:
            return project, folder
        case [folder] if optional:
            return None, folder
    raise typer.BadParameter("expected PROJECT FOLDER")


def _base(project: str, folder: Path, name: str, state: Path | None, *, delete: bool) -> bool:
    """Import base images and report what became of them; returns whether all were taken."""
    used = look(folder, name)
    files = used.keys(keys.dataset(project, name))
    if delete and used.problems:  # a file that cannot be read now must not be taken for one that is gone
        raise errors.Refused("\n".join([*used.report(), "--delete needs a folder of which everything can be used"]))

    async def work(runtime: app.Runtime) -> Imported:
        found = await load(runtime, project, files, report)
        others = await _others(runtime, project, name, files)
        if delete:
            await _remove(runtime, project, name, others)
        async with runtime.sessions() as session:
            conflicts = await trained.conflicts(session, project)
        return replace(found, conflicts=conflicts, others=others, removed=delete)

    with progress.shown(len(files), "uploaded", "checked") as report:
        found = connection.run(state, work)
    print(*summary(used, files, found), sep="\n")
    return not (found.refused or used.problems)


def summary(used: tree.Tree, files: Mapping[str, Path], found: Imported) -> list[str]:
    """What became of the import, in lines for people."""
    told = [f"refused {files[key]}: {reason}" for key, reason in found.refused.items()]
    told += used.report()
    told += differences.label_conflicts(found.conflicts)
    if found.others:
        told.append(tree.counted(_REMOVED if found.removed else _KEPT, found.others))
    counts = f"{found.taken} images taken, {found.unchanged} were there already, {len(found.refused)} refused"
    unusable = f", {len(used.problems)} could not be used" if used.problems else ""
    return [*told, counts + unusable]


def look(folder: Path, name: str) -> tree.Tree:
    """Find the images of a tree of base images. Refused when it is not such a tree, or `name` cannot name a data set."""
    if not topics.valid_name(name):
        raise errors.Refused(
            f"{name!r} cannot be the name of a data set: take letters, digits, hyphens and underscores"
        )
    found = tree.walk(folder)
    for path in [path for path in found.files if not _labelled(path)]:
        found.left_out[path] = NO_LABEL
        del found.files[path]
    for split, label in sorted({tuple(path.split("/")[:2]) for path in found.files}):
        _check_label(folder / split / label)
    if not found.files:
        expected = f"{folder} has no images: expected {folder}/train/LABEL/*.jpg and {folder}/valid/LABEL/*.jpg"
        raise errors.Refused("\n".join([*found.report(), expected]))
    return found


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


async def load(runtime: app.Runtime, project: str, files: Mapping[str, Path], report: Report) -> Imported:
    """Upload what is new or changed, and wait for ingest's answer to each. What cannot be read is refused."""
    async with runtime.sessions() as session:
        await projects.require(session, project)
        started = (await session.execute(select(func.now()))).scalar_one()
        known = await _known(runtime, project, files)
    changed = {key: file for key, file in files.items() if not _has(file, known.get(key))}
    unchanged = len(files) - len(changed)
    unreadable = await upload.put(runtime.storage, changed, lambda sent: report(unchanged + sent, unchanged))
    changed = {key: file for key, file in changed.items() if key not in unreadable}
    answers = await _answers(runtime, project, changed, started, lambda n: report(len(files), unchanged + n))
    refused = {key: reason for key, reason in sorted(answers.items()) if reason}
    return Imported(len(answers) - len(refused), refused | unreadable, unchanged)


def _has(file: Path, sha256: str | None) -> bool:
    """Return whether a file has this hash; not so when it cannot be read: the upload reports why."""
    try:
        return storage.digest(file.read_bytes()) == sha256
    except OSError:
        return False


async def _known(runtime: app.Runtime, project: str, files: Mapping[str, Path]) -> dict[str, str | None]:
    table = tables.DatasetItem
    async with runtime.sessions() as session:
        rows = await session.execute(select(table.key, table.sha256).where(table.project == project))
        return {key: sha256 for key, sha256 in rows if key in files}


async def _others(runtime: app.Runtime, project: str, name: str, files: Collection[str]) -> list[str]:
    """The keys of a data set's images that are not among the files."""
    table = tables.DatasetItem
    async with runtime.sessions() as session:
        keys = await session.scalars(select(table.key).where(table.project == project, table.dataset == name))
        return sorted({*keys} - {*files})


async def _remove(runtime: app.Runtime, project: str, name: str, keys: Collection[str]) -> None:
    """Remove base images from the bucket, and wait until ingest has followed."""
    for key in keys:
        await runtime.storage.delete(key)
    await followed(runtime, project, name, keys)


async def followed(
    runtime: app.Runtime, project: str, name: str, keys: Collection[str], patience: float = _PATIENCE
) -> None:
    """Wait until none of the images has a row; refused after `patience` seconds without any that lost its row."""
    loop = asyncio.get_running_loop()
    waiting, news = len(keys), loop.time()
    while left := len({*keys} & {*await _others(runtime, project, name, ())}):
        if left < waiting:
            waiting, news = left, loop.time()
        elif loop.time() - news > patience:
            raise errors.StropError(
                f"{left} images were removed, but not followed for {patience:.0f} s: is ingest running?"
            )
        await asyncio.sleep(0.1)


async def _answers(
    runtime: app.Runtime, project: str, files: Mapping[str, Path], since: datetime, told: Callable[[int], None]
) -> dict[str, str | None]:
    """Wait until each file has a row written since then: its refusal, or None."""
    table = tables.DatasetItem
    wanted = select(table.key, table.refused).where(table.project == project, table.at >= since)
    loop = asyncio.get_running_loop()
    found: dict[str, str | None] = {}
    news = loop.time()
    while len(found) < len(files):
        async with runtime.sessions() as session:
            rows = {key: refused for key, refused in await session.execute(wanted) if key in files}
        if len(rows) > len(found):
            news = loop.time()
        elif loop.time() - news > _PATIENCE:
            missing = f"{len(files) - len(rows)} of {len(files)} files were not looked at for {_PATIENCE:.0f} s"
            raise errors.StropError(f"{missing}: is ingest running? `strop status` shows what waits, and dead letters")
        found = rows
        told(len(found))
        await asyncio.sleep(0.1)
    return found
