"""`strop datasets`: base images with known labels, from a folder tree."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from sqlalchemy import func, select

from strop import app, errors, models, storage
from strop_cli import connection, projects
from strop_wire import fields, topics

TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
SPLITS = ("train", "valid")
_PARALLEL = 16
_PATIENCE = 60.0  # seconds without any news from ingest
_PAUSE = 3.0  # seconds between two lines about the progress
_NAMED = 3  # files left out that are named

cli = typer.Typer(no_args_is_help=True, help="Base data sets: images with known labels to begin with.")

Report = Callable[[int, int], None]
"""Told how many files are uploaded and how many of them ingest has looked at."""


@dataclass(frozen=True)
class Imported:
    taken: int
    refused: Mapping[str, str]  # key -> why
    unchanged: int


@cli.command("import")
def import_(
    project: str,
    folder: Annotated[Path, typer.Argument(help="A tree train/LABEL/…, valid/LABEL/… of JPEG, PNG or WebP files.")],
    name: Annotated[str, typer.Option(help="What the data set is called.")] = "base",
    state: connection.State = None,
) -> None:
    """Upload a folder tree of labelled images, and wait until each was taken or refused. May be repeated.

    The exit code is 1 when a file was refused.
    """
    files = tree(project, folder, name)
    with _progress(len(files)) as report:
        found = connection.run(state, lambda runtime: load(runtime, project, files, report))
    for key, reason in found.refused.items():
        print(f"refused {files[key]}: {reason}")
    if others := left_out(folder, files.values()):
        print(others)
    print(f"{found.taken} images taken, {found.unchanged} were there already, {len(found.refused)} refused")
    if found.refused:
        raise typer.Exit(1)


@contextmanager
def _progress(total: int) -> Iterator[Report]:
    """Show how far it is, on standard error: bars in a terminal, else a line now and then."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lines(total, lambda line: print(line, file=sys.stderr, flush=True), time.monotonic)
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        sending, checking = (progress.add_task(step, total=total) for step in ("uploaded", "checked"))

        def report(sent: int, checked: int) -> None:
            progress.update(sending, completed=sent)
            progress.update(checking, completed=checked)

        yield report


def lines(total: int, say: Callable[[str], None], clock: Callable[[], float]) -> Report:
    """Tell the progress in lines, one every few seconds."""
    said = clock()

    def report(sent: int, checked: int) -> None:
        nonlocal said
        if clock() - said >= _PAUSE:
            said = clock()
            say(f"{sent} of {total} uploaded, {checked} checked")

    return report


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
        if file.suffix.lower() in TYPES and not file.name.startswith(".")
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
            fields.label(path.name)
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
    await _upload(runtime, changed, lambda sent: report(unchanged + sent, unchanged))
    answers = await _answers(runtime, project, changed, started, lambda n: report(len(files), unchanged + n))
    refused = {key: reason for key, reason in sorted(answers.items()) if reason}
    return Imported(len(answers) - len(refused), refused, unchanged)


async def _known(runtime: app.Runtime, project: str, files: Mapping[str, Path]) -> dict[str, str | None]:
    table = models.DatasetItem
    async with runtime.sessions() as session:
        rows = await session.execute(select(table.key, table.sha256).where(table.project == project))
        return {key: sha256 for key, sha256 in rows if key in files}


async def _upload(runtime: app.Runtime, files: Mapping[str, Path], sent: Callable[[int], None]) -> None:
    slots, done = asyncio.Semaphore(_PARALLEL), 0

    async def one(key: str, file: Path) -> None:
        nonlocal done
        async with slots:
            await runtime.storage.put(key, file.read_bytes(), TYPES[file.suffix.lower()])
        done += 1
        sent(done)

    await asyncio.gather(*(one(key, file) for key, file in files.items()))


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
