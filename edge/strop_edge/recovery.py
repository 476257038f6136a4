"""Opens a spool: finds what a crash, a power cut or a worn card left, goes on with all that is whole, and counts the rest."""

import sqlite3
from collections.abc import Collection
from pathlib import Path

from strop_edge import disk, salvage
from strop_edge.room import Room, give_up
from strop_edge.rows import SCHEMA, Rows


def opened(database: Path, images: Path) -> Room:
    """Open or create a spool, repaired."""
    images.mkdir(parents=True, exist_ok=True)
    disk.sweep(images)
    room = _open(database, images)
    is_new = not room.rows.whole
    known = _names(images) | room.rows.given_up if is_new else set()
    if is_new:
        _salvage(room, disk.aside(database), known)
    room.tried(lambda: _repair(room, known))
    _forget_times(room)
    return room


def _open(database: Path, images: Path) -> Room:
    given_up: set[str] = set()
    try:
        db = disk.database(database, SCHEMA)
    except (OSError, sqlite3.Error) as error:
        # By name is by age; which of them are audits cannot be read yet.
        if not (disk.is_full(error, images) and (given_up := give_up(images, sorted(_names(images))))):
            raise
        db = disk.database(database, SCHEMA)
    return Room(images, Rows(db, given_up))


def _names(images: Path) -> set[str]:
    return {path.name for path in images.iterdir()}


def _salvage(room: Room, damaged: Path, known: Collection[str]) -> None:
    """Take over what can be read of a database that was put aside. A kill meanwhile: the next start does it again."""
    room.change("INSERT OR IGNORE INTO drops VALUES (?, ?)", list(salvage.drops(damaged)))
    room.change("INSERT OR IGNORE INTO untold VALUES (?, ?)", list(salvage.untold(damaged)))
    room.change(
        "INSERT OR IGNORE INTO captures (seq, id, audit, size, message, fate) VALUES (?, ?, ?, ?, ?, 'announced')",
        [row for row in salvage.captures(damaged) if row[1] in known],
    )
    room.rows.recount()
    room.rows.count_from_here()


def _repair(room: Room, known: Collection[str]) -> None:
    """Drop rows without a whole file, and files without a row: those were never announced, or are `known` and lost their row."""
    rows, on_disk = room.rows, {path.name: path.stat().st_size for path in room.images.iterdir()}
    with rows.transaction():
        waiting = dict(rows.select("SELECT id, size FROM captures WHERE message IS NOT NULL"))
        whole = {id_ for id_, size in waiting.items() if on_disk.get(id_) == size}
        for id_ in (id_ for id_ in waiting if id_ not in whole):
            rows.drop(id_, "lost-file")
        for id_ in set(known) - waiting.keys():
            _lose_row(rows, id_)
        rows.trim()
        rows.mark_whole()
    room.unlink(on_disk.keys() - whole)


def _lose_row(rows: Rows, id_: str) -> None:
    rows.count("lost-database")
    if salvage.is_id(id_):
        rows.owe(id_, "lost-database")


def _forget_times(room: Room) -> None:
    """Have all announced anew: what an earlier run noted was by another clock."""
    room.change(
        "UPDATE captures SET due = 0, tries = 0 WHERE seq = ?",
        room.rows.select("SELECT seq FROM captures WHERE message IS NOT NULL AND (due > 0 OR tries > 0)"),
    )
