"""Read the rows of a damaged database of a spool: all but those on damaged pages, and only valid ones."""

import contextlib
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from strop_wire import fields, messages

_CAPTURES = "SELECT seq, id, message FROM captures NOT INDEXED WHERE message IS NOT NULL ORDER BY rowid"
_DROPS = "SELECT reason, count FROM drops NOT INDEXED ORDER BY rowid"
_UNTOLD = "SELECT id, reason FROM untold NOT INDEXED ORDER BY rowid"


def captures(path: Path) -> Iterator[tuple[int, str, bool, int, bytes]]:
    """Yield the captures in the spool, unordered: seq, id, whether it is an audit, size, announcement.

    The values are those of the announcement, which is validated as a whole; columns are not.
    """
    for seq, id_, message in _rows(path, _CAPTURES):
        if (announced := _announcement(message)) and announced.id == id_:
            yield seq, id_, announced.audit, announced.size, message


def _announcement(message: Any) -> messages.Capture | None:
    try:
        return messages.Capture.loads(message) if isinstance(message, bytes) else None
    except fields.Malformed:
        return None


def drops(path: Path) -> Iterator[tuple[str, int]]:
    """Yield reasons, and how many captures were dropped for each."""
    for reason, count in _rows(path, _DROPS):
        if isinstance(reason, str) and isinstance(count, int):
            yield reason, count


def unreported(path: Path) -> Iterator[tuple[str, str]]:
    """Yield lost captures that are not reported yet, with the reasons."""
    for id_, reason in _rows(path, _UNTOLD):
        if is_id(id_) and isinstance(reason, str) and re.fullmatch("[a-z-]{1,32}", reason):
            yield id_, reason


def is_id(text: Any) -> bool:
    """Return whether this can be the id of a capture."""
    try:
        return bool(str(UUID(text)) == text)
    except (ValueError, TypeError, AttributeError):
        return False


def _rows(path: Path, query: str) -> Iterator[tuple[Any, ...]]:
    """Read from the beginning up to the damage, then from the end back to it."""
    for order in ("ASC", "DESC") if path.exists() else ():
        with contextlib.suppress(sqlite3.DatabaseError), contextlib.closing(sqlite3.connect(path)) as db:
            yield from db.execute(f"{query} {order}")
            return
