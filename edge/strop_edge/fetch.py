"""Gets the files of a model: asks the cloud where each is, downloads, resumes, and tries again within reason."""

import logging
import random
import ssl
import threading
from collections.abc import Callable, Iterable

from strop_edge import store, transfer
from strop_wire import messages

ATTEMPTS = 4
"""Downloads of one file that get nowhere or arrive damaged before it is given up; one that advances does not count."""
FIRST_WAIT = 1.0
ANSWER_AFTER = 20.0
"""Seconds to wait for the answer to a `fetch` before it is sent again; doubles up to LONGEST_WAIT."""
LONGEST_WAIT = 300.0

log = logging.getLogger(__name__)


class Fetcher:
    """`ask` sends a `fetch`, False when offline; `check` raises when there is no longer any point."""

    def __init__(
        self,
        models: store.Store,
        tls: ssl.SSLContext,
        ask: Callable[[messages.Fetch], bool],
        check: Callable[[], None],
    ) -> None:
        self.http = transfer.Http(tls, check)
        self._store, self._ask, self._check = models, ask, check
        self._grants: dict[str, messages.FileGrant] = {}
        self._changed = threading.Condition()

    def take(self, grants: Iterable[messages.FileGrant]) -> None:
        with self._changed:
            self._grants.update({grant.sha256: grant for grant in grants})
            self._changed.notify_all()

    def interrupt(self) -> None:
        """Have `check` asked at once."""
        with self._changed:
            self._changed.notify_all()

    def get(self, file: messages.ModelFile) -> None:
        """Bring one file into the store; Refused, Unavailable or Corrupt when it cannot be had."""
        failures = 0
        while True:
            url = self._url(file)
            before = _size(self._store, file)
            try:
                self.http.get(url, self._store.partial(file), file.size)
                self._store.keep(file)
            except (transfer.Refused, transfer.Unavailable, store.Corrupt) as error:
                log.warning("download of %s: %s", file.sha256, error)
                failures = 0 if _size(self._store, file) > before else failures + 1
                if failures == ATTEMPTS:
                    raise
                self._pause(FIRST_WAIT * 2**failures * random.uniform(0.5, 1.5))
            else:
                return

    def _url(self, file: messages.ModelFile) -> str:
        """Ask until there is a grant; each serves for one attempt, since URLs expire."""
        wait = ANSWER_AFTER
        while file.sha256 not in self._grants:
            asked = self._ask(messages.Fetch((file.sha256,)))
            self._pause(wait if asked else FIRST_WAIT, until=lambda: file.sha256 in self._grants)
            wait = min(wait * 2, LONGEST_WAIT) if asked else wait
        with self._changed:
            return self._grants.pop(file.sha256).url

    def _pause(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        with self._changed:
            self._changed.wait_for(lambda: until() or self._check(), seconds)
        self._check()


def _size(models: store.Store, file: messages.ModelFile) -> int:
    path = models.partial(file)
    return path.stat().st_size if path.exists() else 0
