"""The agent's heartbeat: a file in the state folder, touched while the agent works.

A container's health check asks `strop-edge health`; a supervisor may check the file's age itself.
"""

import time
from pathlib import Path

FILE = "alive"
EVERY = 5.0
"""Seconds between two touches: few writes, for flash cards."""
STALE = 60.0
"""Seconds without a touch after which the agent counts as failed."""


class Heartbeat:
    """Used by the agent's own thread."""

    def __init__(self, state: Path) -> None:
        self._path = state / FILE
        self._next = 0.0

    def beat(self) -> None:
        """Touch the file if it is time. Raises OSError if that fails."""
        if time.monotonic() >= self._next:
            self._path.touch()
            self._next = time.monotonic() + EVERY


def age(state: Path) -> float | None:
    """Return the seconds since the last heartbeat, negative if the clock was set back; None if there was none."""
    try:
        return time.time() - (state / FILE).stat().st_mtime
    except FileNotFoundError:
        return None
