"""Two clients with one client id: the broker ends the older connection for each new one, so they disconnect each other in turn.

MQTT 3.1.1 gives no reason for the end of a connection. This case differs from others: the broker can be reached each time, and
each connection ends within seconds.
"""

import time
from collections.abc import Callable

SHORT = 10.0
"""Seconds; a connection that is lost later counts as one that worked."""
TIMES = 3
"""So many short connections in a row are no accident."""
EVERY = 600.0
"""Seconds between two reports."""


class Takeover:
    """Watches the connections of one client. Used by one thread."""

    def __init__(self, client_id: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._client_id, self._clock = client_id, clock
        self._since: float | None = None
        self._short = 0
        self._reported: float | None = None

    def connected(self) -> None:
        self._since = self._clock()

    def unreachable(self) -> None:
        """There was no connection at all: the broker is down, or the line to it."""
        self._since, self._short = None, 0

    @property
    def excess(self) -> int:
        """The number of short connections in a row from the first one that is no accident; 0 below."""
        return max(0, self._short - TIMES + 1)

    def ended(self) -> str | None:
        """The connection was lost. Returns the likely cause when it is to be reported now."""
        now, since = self._clock(), self._since
        if since is None:
            return None
        self._since = None
        self._short = self._short + 1 if now - since < SHORT else 0
        if self._short < TIMES or (self._reported is not None and now - self._reported < EVERY):
            return None
        self._reported = now
        return (
            f"another client is connected with the client id {self._client_id}, it seems: the broker ended "
            f"{TIMES} connections in a row within {SHORT:.0f} s each"
        )
