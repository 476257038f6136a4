"""Pulls images from the source, one at a time, in a thread of its own: a source may block as long as it likes."""

import logging
import threading
import time
from collections.abc import Callable, Iterable

from strop_edge import classify, look, swap, watching

IDLE = 0.1
"""Seconds to wait when the source has nothing at the moment."""

PATIENCE = 60.0
"""Seconds that one image, or one look at a watched folder, may take; the slowest device needs a few."""

LONGEST_WAIT = 60.0
"""Seconds between two attempts on a source that fails each time: the second follows at once, the third after 1 s, then 3 s."""

log = logging.getLogger(__name__)


class Intake:
    """Holds the source until there is a model. `interval`: seconds between two images."""

    def __init__(
        self,
        source: Iterable[bytes | None],
        interval: float,
        swapper: swap.Swapper,
        classifier: classify.Classifier,
        on_error: Callable[[str], None],
    ) -> None:
        self.exhausted = threading.Event()  # set when the source has ended
        self._source, self._interval, self._on_error = iter(source), interval, on_error
        self._failures = source.failures if isinstance(source, look.Images) else None
        self._watch = source if isinstance(source, watching.Watch) else None
        self._asked: float | None = None  # when the source was asked for the next image, while it has not answered
        self._swapper, self._classifier = swapper, classifier
        self._busy = threading.Lock()  # held while an image is in hand
        self._since: float | None = None  # when it was taken
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="intake", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish the image in hand. A source that blocks is left to itself; what it still yields is not looked at."""
        self._stopping.set()
        self._swapper.ready.set()
        with self._busy:
            pass

    @property
    def stuck(self) -> bool:
        """Whether an image or a look takes far too long, or a watched folder cannot be looked at. Other sources may block."""
        if self._watch and self._watch.blind:
            return True
        since = [self._since, self._asked if self._watch else None]
        return any(each is not None and time.monotonic() - each > PATIENCE for each in since)

    def _work(self) -> None:
        self._swapper.ready.wait()
        failed = 0  # times in a row
        while not self._stopping.is_set():
            try:
                data = self._next()
            except StopIteration:
                log.info("the source has ended")
                break
            except Exception as error:  # a broken camera: what is in the spool is still served
                log.exception("source")
                self._on_error(f"source: {type(error).__name__}: {error}")
                self._stopping.wait(min(2.0**failed - 1, LONGEST_WAIT))
                failed = min(failed + 1, 10)
                continue
            failed = 0
            with self._busy:
                if not self._stopping.is_set():
                    self._look_at(data)
            self._stopping.wait(IDLE if data is None else self._interval)
        self.exhausted.set()

    def _next(self) -> bytes | None:
        self._asked = time.monotonic()
        try:
            return next(self._source)
        finally:
            self._asked = None
            if self._failures and (failure := self._failures.report()):
                self._on_error(f"source: {failure}")

    def _look_at(self, data: bytes | None) -> None:
        self._since = time.monotonic()
        try:
            if data is not None:
                self._classifier.take(data)
        except Exception as error:  # one image must not end the work of the device
            log.exception("image")
            self._on_error(f"image: {type(error).__name__}: {error}")
        finally:
            self._since = None
