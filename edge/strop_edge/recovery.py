"""Open a spool after a crash, a power cut or damage of the disk: keep all that is complete, and count the rest."""

import sqlite3
from collections.abc import Collection
from pathlib import Path

from strop_edge import damaged_rows, disk
from strop_edge.image_files import ImageFiles, delete_oldest
from strop_edge.rows import SCHEMA, Rows


def opened(database: Path, images: Path) -> ImageFiles:
    """Open or create a spool, and repair it."""
    images.mkdir(parents=True, exist_ok=True)
    disk.sweep(images)
    files = _open(database, images)
    is_new = not files.rows.whole
    known = _names(images) | files.rows.deleted if is_new else set()
    if is_new:
        _restore(files, disk.aside(database), known)
    files.attempt(lambda: _repair(files, known))
    _forget_times(files)
    return files


def _open(database: Path, images: Path) -> ImageFiles:
    deleted: set[str] = set()
    try:
        db = disk.database(database, SCHEMA)
    except (OSError, sqlite3.Error) as error:
        # By name is by age; which of them are audits cannot be read yet.
        if not (disk.is_full(error, images) and (deleted := delete_oldest(images, sorted(_names(images))))):
            raise
        db = disk.database(database, SCHEMA)
    return ImageFiles(images, Rows(db, deleted))


def _names(images: Path) -> set[str]:
    return {path.name for path in images.iterdir()}


def _restore(files: ImageFiles, damaged: Path, known: Collection[str]) -> None:
    """Copy the readable rows of a damaged database. If the process is killed meanwhile, the next start repeats it."""
    files.change("INSERT OR IGNORE INTO drops VALUES (?, ?)", list(damaged_rows.drops(damaged)))
    files.change("INSERT OR IGNORE INTO untold VALUES (?, ?)", list(damaged_rows.unreported(damaged)))
    files.change(
        "INSERT OR IGNORE INTO captures (seq, id, audit, size, message, fate) VALUES (?, ?, ?, ?, ?, 'announced')",
        [row for row in damaged_rows.captures(damaged) if row[1] in known],
    )
    files.rows.recount()
    files.rows.count_from_here()


def _repair(files: ImageFiles, known: Collection[str]) -> None:
    """Drop rows without a whole file, and files without a row: those were never announced, or are `known` and lost their row."""
    rows, on_disk = files.rows, {path.name: path.stat().st_size for path in files.images.iterdir()}
    with rows.transaction():
        waiting = dict(rows.select("SELECT id, size FROM captures WHERE message IS NOT NULL"))
        whole = {id_ for id_, size in waiting.items() if on_disk.get(id_) == size}
        for id_ in (id_ for id_ in waiting if id_ not in whole):
            rows.drop(id_, "lost-file")
        for id_ in set(known) - waiting.keys():
            _lose_row(rows, id_)
        rows.trim()
        rows.mark_whole()
    files.unlink(on_disk.keys() - whole)


def _lose_row(rows: Rows, id_: str) -> None:
    rows.count("lost-database")
    if damaged_rows.is_id(id_):
        rows.report_lost(id_, "lost-database")


def _forget_times(files: ImageFiles) -> None:
    """Announce all captures again: the times of an earlier run are those of another clock."""
    files.change(
        "UPDATE captures SET due = 0, tries = 0 WHERE seq = ?",
        files.rows.select("SELECT seq FROM captures WHERE message IS NOT NULL AND (due > 0 OR tries > 0)"),
    )
