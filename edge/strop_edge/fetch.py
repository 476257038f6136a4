"""Fetch the files of a model: request a URL for each, download, resume, and retry without a limit.

A bad line, an expired URL and a cloud that does not answer say nothing about the model, so they are never the end of it;
only a file that keeps arriving damaged is.
"""

import random
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator

from strop_edge import store, transfer
from strop_wire import messages

ATTEMPTS = 4
"""Damaged downloads of a file after which it counts as corrupt."""
FIRST_WAIT = 1.0
ANSWER_AFTER = 20.0
"""Seconds to wait for the answer to a `fetch` before it is sent again."""
LONGEST_WAIT = 300.0


def waits(first: float) -> Iterator[float]:
    """Yield the seconds between attempts: exponential backoff up to LONGEST_WAIT, with jitter."""
    wait = first
    while True:
        yield wait * random.uniform(0.5, 1.5)
        wait = min(wait * 2, LONGEST_WAIT)


class Fetcher:
    """`ask` sends a `fetch`, False when offline; `check` raises if the file is not needed any more."""

    def __init__(
        self,
        models: store.Store,
        tls: ssl.SSLContext,
        ask: Callable[[messages.Fetch], bool],
        check: Callable[[], None],
        on_error: Callable[[str], None],
    ) -> None:
        self.http = transfer.Http(tls, check)
        self._store, self._ask, self._check, self._on_error = models, ask, check, on_error
        self._grants: dict[str, messages.FileGrant] = {}
        self._changed = threading.Condition()

    def take(self, grants: Iterable[messages.FileGrant]) -> None:
        with self._changed:
            self._grants.update({grant.sha256: grant for grant in grants})
            self._changed.notify_all()

    def interrupt(self) -> None:
        """Call `check` at once."""
        with self._changed:
            self._changed.notify_all()

    def get(self, file: messages.ModelFile) -> None:
        """Download one file into the store, without a time limit; Corrupt if it arrives damaged several times."""
        damaged, pauses = 0, waits(FIRST_WAIT)
        while True:
            url = self._url(file)
            before = _size(self._store, file)
            try:
                self.http.get(url, self._store.partial(file), file.size)
                return self._store.keep(file)
            except (transfer.Refused, transfer.Unavailable, store.Corrupt) as error:
                damaged += isinstance(error, store.Corrupt)
                if damaged == ATTEMPTS:
                    raise
                self._on_error(f"download of {file.sha256[:12]}…: {error}")
            if _size(self._store, file) > before:
                pauses = waits(FIRST_WAIT)
            self.pause(next(pauses))

    def _url(self, file: messages.ModelFile) -> str:
        """Request until there is a grant; each is used for one attempt, since URLs expire."""
        pauses = waits(ANSWER_AFTER)
        while file.sha256 not in self._grants:
            asked = self._ask(messages.Fetch((file.sha256,)))
            self.pause(next(pauses) if asked else FIRST_WAIT, until=lambda: file.sha256 in self._grants)
            if asked and file.sha256 not in self._grants:
                self._on_error(f"download of {file.sha256[:12]}…: the cloud does not say where it is")
        with self._changed:
            return self._grants.pop(file.sha256).url

    def pause(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Wait, unless `check` raises."""
        with self._changed:
            self._changed.wait_for(lambda: until() or self._check(), seconds)
        self._check()


def _size(models: store.Store, file: messages.ModelFile) -> int:
    path = models.partial(file)
    return path.stat().st_size if path.exists() else 0
