"""What a device counts since it booted. Cumulative, so that a repeated report changes nothing."""

import threading
from collections import Counter

from strop_wire import ids, messages, reports


class Counts:
    """Predictions by label and confidence bin, and images without a result. Thread-safe."""

    def __init__(self) -> None:
        self.boot = ids.new_id()
        self._classified = 0
        self._bins: dict[str, list[int]] = {}
        self._lost: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, best: messages.Prediction) -> None:
        with self._lock:
            self._classified += 1
            self._bins.setdefault(best.label, [0] * reports.BINS)[bin_of(best.confidence)] += 1

    def lose(self, reason: str) -> None:
        """Count an image that could not be classified or kept."""
        with self._lock:
            self._lost[reason] += 1

    def snapshot(self) -> tuple[int, dict[str, list[int]], Counter[str]]:
        """Return a consistent snapshot: how many were classified, the bins by label, and the lost ones by reason."""
        with self._lock:
            return self._classified, {label: list(bins) for label, bins in self._bins.items()}, self._lost.copy()


def bin_of(confidence: float) -> int:
    """Bin i holds confidences from i/10 up to (i+1)/10; 1.0 belongs to the last."""
    return min(int(confidence * reports.BINS), reports.BINS - 1)
