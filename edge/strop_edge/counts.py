"""What a device counts since it booted: predictions by label and confidence bin. Cumulative, so a repeat changes nothing."""

import threading
from collections import Counter
from dataclasses import dataclass, field

from strop_wire import ids, messages


@dataclass(slots=True)
class Counts:
    """Safe to read while another thread counts."""

    boot: str = field(default_factory=ids.new_id)
    classified: int = 0
    bad_images: int = 0
    _bins: dict[str, list[int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, best: messages.Prediction) -> None:
        with self._lock:
            self.classified += 1
            self._bins.setdefault(best.label, [0] * messages.BINS)[bin_of(best.confidence)] += 1

    def snapshot(self) -> tuple[int, dict[str, list[int]]]:
        """How many were classified, and the bins by label, of one moment."""
        with self._lock:
            return self.classified, {label: list(bins) for label, bins in self._bins.items()}


def bin_of(confidence: float) -> int:
    """Bin i holds confidences from i/10 up to (i+1)/10; 1.0 belongs to the last."""
    return min(int(confidence * messages.BINS), messages.BINS - 1)


def merged(*parts: Counter[str]) -> dict[str, int]:
    return dict(sum(parts, Counter[str]()))
