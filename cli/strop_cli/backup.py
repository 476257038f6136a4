"""`strop backup` and `strop restore`: all rows and all objects of an installation, in a folder.

FOLDER/objects/{2 digits}/{sha256}   every object once, shared by all backups in the folder
FOLDER/{time}/tables/{table}.gz      the rows, in one snapshot
FOLDER/{time}/objects.jsonl.gz       which object is which file
FOLDER/{time}/backup.json            written last: without it the backup is not complete
"""

import asyncio
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from strop_cli import connection, progress
from strop_contracts import errors

if TYPE_CHECKING:
    from strop.settings import Settings

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of backups, such as a mounted disk.")]

OBJECTS, TABLES, LIST, DONE = "objects", "tables", "objects.jsonl.gz", "backup.json"


@dataclass(frozen=True, slots=True)
class Summary:
    """The content of backup.json."""

    at: str
    revision: str  # of the tables
    rows: dict[str, int]  # by table
    objects: int
    bytes: int


def backup(folder: Folder, state: connection.State = None) -> None:
    """Copy all rows and objects into DIR, while the services run. Only objects that no earlier backup in DIR has are copied.

    It needs the database and the bucket, unlike other commands. Secrets and certificates are not in it: keep a copy of their folder.
    """
    from strop_cli import installation

    if state:
        connection.load(state)
    done = asyncio.run(backed_up(folder, installation.settings()))
    print(f"{done.at}: {sum(done.rows.values()):,} rows, {done.objects:,} objects, {done.bytes:,} bytes")


def restore(folder: Folder, state: connection.State = None) -> None:
    """Restore the newest backup in DIR, or DIR itself, into an installation without projects. Stop its services first.

    For one machine, `strop up --restore DIR` does it before the services start. Devices announce again what they still have.
    """
    from strop_cli import installation

    if state:
        connection.load(state)
    done = asyncio.run(restored(folder, installation.settings()))
    print(f"restored the backup of {done.at}: {sum(done.rows.values()):,} rows, {done.objects:,} objects")


async def backed_up(folder: Path, settings: "Settings") -> Summary:
    """Make a backup, while services run."""
    from strop import app
    from strop_cli import backup_objects, backup_tables

    now = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%S.%fZ")
    target, blobs = folder / now, backup_objects.Blobs(folder / OBJECTS)
    earlier = [item for each in complete(folder)[-1:] for item in backup_objects.read(each / LIST)]
    # Rows first: an object without its row can be found again, a row without its object cannot be repaired.
    async with backup_tables.connected(settings.database_url) as database:
        revision = await backup_tables.revision(database)
        rows = await backup_tables.dump(database, target / TABLES)
    async with app.runtime(settings) as runtime:
        listed = [each async for page in runtime.storage.pages("") for each in page]
        with progress.shown(len(listed), "objects copied") as report:
            items = await backup_objects.dump(runtime.storage, blobs, listed, earlier, report)
    backup_objects.write(target / LIST, items)
    return _finish(target, Summary(now, revision, rows, len(items), sum(item.size for item in items)))


def _finish(target: Path, summary: Summary) -> Summary:
    from strop_edge import disk

    for file in target.rglob("*.gz"):
        disk.sync(file)
    disk.write(target / DONE, json.dumps(asdict(summary), indent=1).encode())
    return summary


async def restored(folder: Path, settings: "Settings") -> Summary:
    """Restore the newest backup of a folder. NotFound without one; Refused, with nothing changed, if it is damaged or there are projects."""
    from strop import app
    from strop_cli import backup_objects, backup_tables, installation

    source, summary = newest(folder)
    items, blobs = backup_objects.read(source / LIST), backup_objects.Blobs(source.parent / OBJECTS)
    await asyncio.to_thread(backup_objects.verify, blobs, items)
    async with app.runtime(settings) as runtime:
        async with backup_tables.connected(settings.database_url) as database:
            await backup_tables.require_empty(database, summary.revision)
            await installation.create(runtime)
            # Rows first: the notifications about the objects find their rows.
            await backup_tables.load(database, source / TABLES)
        with progress.shown(len(items), "objects restored") as report:
            await backup_objects.load(runtime.storage, blobs, items, report)
    return summary


def complete(folder: Path) -> list[Path]:
    """Return the complete backups in a folder, the oldest first."""
    return sorted(path.parent for path in folder.glob(f"*/{DONE}"))


def newest(folder: Path) -> tuple[Path, Summary]:
    """Return the newest complete backup in a folder, or the folder itself if it is one; NotFound without."""
    found = [folder] if (folder / DONE).exists() else complete(folder)
    if not found:
        raise errors.NotFound(f"{folder} has no complete backup")
    return found[-1], Summary(**json.loads((found[-1] / DONE).read_bytes()))
