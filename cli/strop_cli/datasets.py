"""`strop datasets`: images with known labels, from a folder tree."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import func, select

from strop import app, autolabel, errors, models, storage
from strop_cli import connection, hosted, progress, projects, upload
from strop_wire import fields, topics

SPLITS = ("train", "valid")
_PATIENCE = 60.0  # seconds without any news from ingest
_NAMED = 3  # files left out that are named

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
    state: connection.State = None,
) -> None:
    """Import labelled images, and wait until each was taken or refused. May be repeated.

    The images of a folder tree are uploaded as a fleet's base images, or with --auto-label become a data set of
    the Custom Labels API. The exit code is 1 when an image was refused.
    """
    project, folder = _where(where, optional=auto_label)
    if auto_label:
        called = autolabel.names(names.read_text()) if names else {}
        order = hosted.Order(project, folder, kind.upper(), called, bucket, create)
        complete = connection.run(state, lambda runtime: hosted.load(runtime, order))
    elif names or bucket or create or folder.startswith("s3://"):
        raise errors.Refused("--names, --bucket, --create and folders in S3 go with --auto-label")
    else:
        complete = _base(project or "", Path(folder), name, state)
    if not complete:
        raise typer.Exit(1)


def _where(given: list[str], *, optional: bool) -> tuple[str | None, str]:
    match given:
        case [project, folder]:
            return project, folder
        case [folder] if optional:
            return None, folder
    raise typer.BadParameter("expected PROJECT FOLDER")


def _base(project: str, folder: Path, name: str, state: Path | None) -> bool:
    """Import base images and say what became of them; returns whether all were taken."""
    files = tree(project, folder, name)
    with progress.shown(len(files), "uploaded", "checked") as report:
        found = connection.run(state, lambda runtime: load(runtime, project, files, report))
    for key, reason in found.refused.items():
        print(f"refused {files[key]}: {reason}")
    if others := left_out(folder, files.values()):
        print(others)
    print(f"{found.taken} images taken, {found.unchanged} were there already, {len(found.refused)} refused")
    return not found.refused


def left_out(folder: Path, taken: Iterable[Path]) -> str:
    """Name the files of the folder that are not imported, hidden ones apart; empty when there are none."""
    others = sorted(path.relative_to(folder) for path in {*folder.rglob("*")} - {*taken} if path.is_file())
    shown = [str(path) for path in others if not any(part.startswith(".") for part in path.parts)]
    if not shown:
        return ""
    more = " …" if len(shown) > _NAMED else ""
    return f"{len(shown)} {'files' if len(shown) > 1 else 'file'} left out: {', '.join(shown[:_NAMED])}{more}"


def tree(project: str, folder: Path, name: str) -> dict[str, Path]:
    """Return the images of a tree by the key each will have. Refused when it is not such a tree."""
    if not topics.valid_name(name):
        raise errors.Refused(
            f"{name!r} cannot be the name of a data set: take letters, digits, hyphens and underscores"
        )
    files = {
        f"{project}/datasets/{name}/{split}/{label.name}/{file.relative_to(label).as_posix()}": file
        for split in SPLITS
        for label in _labels(folder / split)
        for file in sorted(label.rglob("*"))
        if file.suffix.lower() in upload.TYPES and not file.name.startswith(".")
    }
    if not files:
        raise errors.Refused(
            f"{folder} has no images: expected {folder}/train/LABEL/*.jpg and {folder}/valid/LABEL/*.jpg"
        )
    return files


def _labels(split: Path) -> list[Path]:
    found = [path for path in sorted(split.glob("*")) if path.is_dir() and not path.name.startswith(".")]
    for path in found:
        try:
            fields.label_of(path.name)
        except fields.Malformed as error:
            raise errors.Refused(f"{path}: {error}") from error
    return found


async def load(runtime: app.Runtime, project: str, files: Mapping[str, Path], report: Report) -> Imported:
    """Upload what is new or changed, and wait for ingest's answer to each."""
    async with runtime.sessions() as session:
        await projects.require(session, project)
        started = (await session.execute(select(func.now()))).scalar_one()
        known = await _known(runtime, project, files)
    changed = {key: file for key, file in files.items() if storage.digest(file.read_bytes()) != known.get(key)}
    unchanged = len(files) - len(changed)
    await upload.put(runtime.storage, changed, lambda sent: report(unchanged + sent, unchanged))
    answers = await _answers(runtime, project, changed, started, lambda n: report(len(files), unchanged + n))
    refused = {key: reason for key, reason in sorted(answers.items()) if reason}
    return Imported(len(answers) - len(refused), refused, unchanged)


async def _known(runtime: app.Runtime, project: str, files: Mapping[str, Path]) -> dict[str, str | None]:
    table = models.DatasetItem
    async with runtime.sessions() as session:
        rows = await session.execute(select(table.key, table.sha256).where(table.project == project))
        return {key: sha256 for key, sha256 in rows if key in files}


async def _answers(
    runtime: app.Runtime, project: str, files: Mapping[str, Path], since: datetime, told: Callable[[int], None]
) -> dict[str, str | None]:
    """Wait until each file has a row written since then: its refusal, or None."""
    table = models.DatasetItem
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
