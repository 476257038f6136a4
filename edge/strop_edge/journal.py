"""Read an agent's state folder from another process, also while the agent runs."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

from strop_edge import spool


def spool_folder(state: Path) -> Path:
    """Return the folder of the spool below an agent's state folder."""
    return state / "spool"


def fates(state: Path) -> dict[str, str]:
    """Return all captures that the journal holds, oldest first, with their last fates."""
    return dict(_rows(state, "SELECT id, fate FROM captures ORDER BY seq"))


def drops(state: Path) -> dict[str, int]:
    """Return how many captures were ever dropped, by reason."""
    return dict(_rows(state, "SELECT reason, count FROM drops"))


def _rows(state: Path, query: str) -> list[tuple[str, Any]]:
    uri = (spool_folder(state) / spool.DATABASE).absolute().as_uri()
    with contextlib.closing(sqlite3.connect(f"{uri}?mode=ro", uri=True)) as db:
        return db.execute(query).fetchall()
