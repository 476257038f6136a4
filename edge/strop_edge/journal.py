"""What a spool's database tells a reader from outside, also while an agent runs on it."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

from strop_edge import spool


def fates(folder: Path) -> dict[str, str]:
    """Every capture that this spool ever kept, oldest first, with its last fate."""
    return dict(_rows(folder, "SELECT id, fate FROM captures ORDER BY seq"))


def drops(folder: Path) -> dict[str, int]:
    """How many captures were dropped, by reason, of all times."""
    return dict(_rows(folder, "SELECT reason, count FROM drops"))


def _rows(folder: Path, query: str) -> list[tuple[str, Any]]:
    with contextlib.closing(
        sqlite3.connect(f"{(folder / spool.DATABASE).absolute().as_uri()}?mode=ro", uri=True)
    ) as db:
        return db.execute(query).fetchall()
