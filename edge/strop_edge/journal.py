"""What an agent's state folder tells a reader from outside, also while the agent runs on it."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

from strop_edge import spool


def spool_folder(state: Path) -> Path:
    """Where an agent's spool is, below its state folder."""
    return state / "spool"


def fates(state: Path) -> dict[str, str]:
    """Every capture that the agent ever kept, oldest first, with its last fate."""
    return dict(_rows(state, "SELECT id, fate FROM captures ORDER BY seq"))


def drops(state: Path) -> dict[str, int]:
    """How many captures were dropped, by reason, of all times."""
    return dict(_rows(state, "SELECT reason, count FROM drops"))


def _rows(state: Path, query: str) -> list[tuple[str, Any]]:
    uri = (spool_folder(state) / spool.DATABASE).absolute().as_uri()
    with contextlib.closing(sqlite3.connect(f"{uri}?mode=ro", uri=True)) as db:
        return db.execute(query).fetchall()
