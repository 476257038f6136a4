"""Upload granted images. A finished PUT releases no image: only the answer `stored` does."""

import logging
import random
import ssl
import threading
from collections.abc import Callable, Iterable

from strop_edge import spool, transfer
from strop_wire import messages

ATTEMPTS = 3
"""Attempts per grant, with backoff; then the capture is announced again, for a new grant."""
FIRST_WAIT = 1.0
SECOND_CHANCE = 10.0
"""Seconds until a capture is announced again whose upload was refused or failed."""

log = logging.getLogger(__name__)


class Uploader:
    """One worker thread; a later grant of a capture replaces an earlier one."""

    def __init__(self, images: spool.Spool, tls: ssl.SSLContext, on_error: Callable[[str], None]) -> None:
        self.done = 0  # finished PUTs
        self.http = transfer.Http(tls, self._check)
        self._spool, self._on_error = images, on_error
        self._grants: dict[str, messages.CaptureGrant] = {}  # in order of arrival
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="upload", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Wait for the current piece. The rest is announced again after the next start."""
        with self._changed:
            self._stopping.set()
            self._changed.notify_all()
        self._thread.join()

    def take(self, grants: Iterable[messages.CaptureGrant]) -> None:
        by_id = {grant.capture: grant for grant in grants}
        wanted = self._spool.granted(by_id)
        with self._changed:
            self._grants.update({id_: grant for id_, grant in by_id.items() if id_ in wanted})
            self._changed.notify_all()

    def _check(self) -> None:
        if self._stopping.is_set():
            raise transfer.Stopped

    def _work(self) -> None:
        while (grant := self._next()) is not None:
            try:
                self._send(grant)
            except transfer.Stopped:
                return
            except Exception as error:  # a failing disk, most likely: the others may still be readable
                log.exception("upload of %s", grant.capture)
                self._on_error(f"upload: {error}")

    def _next(self) -> messages.CaptureGrant | None:
        with self._changed:
            self._changed.wait_for(lambda: self._grants or self._stopping.is_set())
            if self._stopping.is_set():
                return None
            return self._grants.pop(next(iter(self._grants)))

    def _send(self, grant: messages.CaptureGrant) -> None:
        data = self._spool.read(grant.capture)
        if data is None:
            return
        try:
            self._put(grant, data)
        except (transfer.Refused, transfer.Unavailable) as error:
            self._on_error(f"upload: {error}")
            self._spool.announce_again(grant.capture, SECOND_CHANCE * random.uniform(0.5, 1.5))
        else:
            self.done += 1
            self._spool.uploaded(grant.capture)

    def _put(self, grant: messages.CaptureGrant, data: bytes) -> None:
        assert grant.url is not None, "the wire has no upload without a URL"
        for wait in (FIRST_WAIT * 2**attempt for attempt in range(ATTEMPTS - 1)):
            try:
                return self.http.put(grant.url, grant.headers, data)
            except transfer.Unavailable as error:
                log.warning("upload of %s: %s", grant.capture, error)
                if self._stopping.wait(wait * random.uniform(0.5, 1.5)):
                    raise transfer.Stopped from error
        return self.http.put(grant.url, grant.headers, data)
