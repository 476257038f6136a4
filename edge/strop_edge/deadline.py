"""Runs of onnxruntime that end: a graph may contain a loop, which for some images has no end."""

import threading
import time
from typing import Any

import onnxruntime
from numpy.typing import NDArray

SECONDS = 30.0
"""For each image of a run; the slowest device needs a few."""
LOOK_EVERY = 1.0


class Exceeded(Exception):
    """The run took too long."""


class _Watch:
    """One thread that ends the runs of this process which take too long. A timer for each run would cost more than the run's set-up."""

    def __init__(self) -> None:
        self._ends: dict[onnxruntime.RunOptions, float] = {}  # time.monotonic() by run
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def begin(self, run: onnxruntime.RunOptions, seconds: float) -> None:
        with self._lock:
            self._ends[run] = time.monotonic() + seconds
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="deadline", daemon=True)
                self._thread.start()

    def end(self, run: onnxruntime.RunOptions) -> None:
        with self._lock:
            del self._ends[run]

    def _work(self) -> None:
        while True:
            time.sleep(LOOK_EVERY)
            now = time.monotonic()
            with self._lock:
                for run, end in self._ends.items():
                    if now > end:
                        run.terminate = True


_watch = _Watch()


def run(
    session: onnxruntime.InferenceSession, outputs: list[str], inputs: dict[str, NDArray[Any]], images: int
) -> list[Any]:
    """Run a graph on so many images; Exceeded after SECONDS for each of them, else whatever onnxruntime raises."""
    options = onnxruntime.RunOptions()
    options.log_severity_level = 4  # what it raises is enough
    _watch.begin(options, SECONDS * max(1, images))
    try:
        found: list[Any] = session.run(outputs, inputs, options)
    except Exception as error:
        if options.terminate:
            raise Exceeded(f"took more than {SECONDS * max(1, images):g} s") from error
        raise
    finally:
        _watch.end(options)
    return found
