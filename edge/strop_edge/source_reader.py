"""Read images from the source, one at a time, in a separate thread: a source may block for any time."""

import logging
import threading
import time
from collections.abc import Callable, Iterable

from strop_edge import classify, folder_scan, swap, watching

IDLE = 0.1
"""Seconds to wait if the source has no image at the moment."""

PATIENCE = 60.0
"""Seconds that one image, or one scan of a watched folder, may take; the slowest device needs a few."""

LONGEST_WAIT = 60.0
"""Seconds between two attempts on a source that fails each time: the second follows at once, the third after 1 s, then 3 s."""

log = logging.getLogger(__name__)


class SourceReader:
    """Reads once there is a model. `interval`: seconds between two images."""

    def __init__(
        self,
        source: Iterable[bytes | None],
        interval: float,
        swapper: swap.Swapper,
        classifier: classify.Classifier,
        on_error: Callable[[str], None],
        on_image: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_image` is called after each image."""
        self.exhausted = threading.Event()  # set when the source has ended
        self._source, self._interval, self._on_error = iter(source), interval, on_error
        self._on_image = on_image
        self._hurry = threading.Event()  # the next image is wanted now
        self._failures = source.failures if isinstance(source, folder_scan.Source) else None
        self._watch = source if isinstance(source, watching.Watch) else None
        self._asked: float | None = None  # when the next image was requested, while it has not arrived
        self._swapper, self._classifier = swapper, classifier
        self._busy = threading.Lock()  # held while an image is processed
        self._since: float | None = None  # start of its processing
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="source-reader", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def hurry(self) -> None:
        """Take the next image of the source without waiting for the end of the interval."""
        self._hurry.set()

    def stop(self) -> None:
        """Finish the current image. The thread of a source that blocks is abandoned; images that it still yields are ignored."""
        self._stopping.set()
        self._hurry.set()
        self._swapper.ready.set()
        with self._busy:
            pass

    @property
    def stuck(self) -> bool:
        """Whether an image or a scan takes far too long, or a watched folder cannot be scanned. Other sources may block."""
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
            except Exception as error:  # a broken camera: the spool is still uploaded
                log.exception("source")
                self._on_error(f"source: {type(error).__name__}: {error}")
                self._stopping.wait(min(2.0**failed - 1, LONGEST_WAIT))
                failed = min(failed + 1, 10)
                continue
            failed = 0
            with self._busy:
                if not self._stopping.is_set():
                    self._process(data)
            self._pause(IDLE if data is None else self._interval)
        self.exhausted.set()

    def _pause(self, seconds: float) -> None:
        if self._hurry.wait(seconds) and not self._stopping.is_set():
            self._hurry.clear()

    def _next(self) -> bytes | None:
        self._asked = time.monotonic()
        try:
            return next(self._source)
        finally:
            self._asked = None
            if self._failures and (failure := self._failures.report()):
                self._on_error(f"source: {failure}")

    def _process(self, data: bytes | None) -> None:
        self._since = time.monotonic()
        try:
            if data is not None:
                self._classifier.take(data)
        except Exception as error:  # one image must not stop the device
            log.exception("image")
            self._on_error(f"image: {type(error).__name__}: {error}")
        finally:
            self._since = None
        if data is not None:
            self._on_image()
