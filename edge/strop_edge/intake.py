"""Pulls images from the source, one at a time, in a thread of its own: a source may block as long as it likes."""

import logging
import threading
import time
from collections.abc import Callable, Iterable

from strop_edge import classify, swap

IDLE = 0.1
"""Seconds to wait when the source has nothing at the moment."""

PATIENCE = 60.0
"""Seconds that one image may take: the slowest device needs a few."""

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
        """Whether an image has been in hand for far too long. A source that yields none is no fault of ours."""
        since = self._since
        return since is not None and time.monotonic() - since > PATIENCE

    def _work(self) -> None:
        self._swapper.ready.wait()
        while not self._stopping.is_set():
            try:
                data = next(self._source)
            except StopIteration:
                log.info("the source has ended")
                break
            except Exception as error:  # a broken camera: what is in the spool is still served
                log.exception("source")
                self._on_error(f"source: {type(error).__name__}: {error}")
                break
            with self._busy:
                if not self._stopping.is_set():
                    self._look_at(data)
            self._stopping.wait(IDLE if data is None else self._interval)
        self.exhausted.set()

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
