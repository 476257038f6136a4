"""A sign of life for whoever watches from outside: a file in the state folder, touched as long as the agent works.

A container's health check asks `strop-edge health`; a supervisor may look at the file's age itself.
"""

import time
from pathlib import Path

FILE = "alive"
EVERY = 5.0
"""Seconds between two touches: often enough, and kind to a flash card."""
STALE = 60.0
"""Seconds after which an agent that has not touched it no longer works."""


class Heartbeat:
    """Used by the agent's own thread."""

    def __init__(self, state: Path) -> None:
        self._path = state / FILE
        self._next = 0.0

    def beat(self) -> None:
        """Say that it works; OSError when the disk does not take it."""
        if time.monotonic() >= self._next:
            self._path.touch()
            self._next = time.monotonic() + EVERY


def age(state: Path) -> float | None:
    """Seconds since the agent of this state folder last worked, negative when the clock was set back; None when none ever did."""
    try:
        return time.time() - (state / FILE).stat().st_mtime
    except FileNotFoundError:
        return None
