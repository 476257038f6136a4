"""What a device counts since it booted, under each model and policy. Cumulative, so that a repeated report changes nothing."""

import bisect
import json
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from strop_edge import choose
from strop_wire import ids, messages, reports

HEADER = 1000
"""Upper bound of the bytes of a usage without its predictions."""


@dataclass(slots=True)
class Tally:
    """Counts under one model and policy, and which of them the broker has acknowledged."""

    predictions: dict[str, list[int]] = field(default_factory=dict)
    rejected: int = 0
    failed: int = 0
    latency: list[int] = field(default_factory=lambda: [0] * (len(reports.LATENCY_MS) + 1))
    kept: Counter[str] = field(default_factory=Counter)
    acknowledged: dict[str, list[int]] = field(default_factory=dict)  # of `predictions`
    acknowledged_others: Any = None

    def usage(self, model: str, policy: int, room: int) -> reports.Usage | None:
        """Return what is not acknowledged, with as many labels as fit into `room` bytes; None if there is nothing."""
        new: dict[str, list[int]] = {}
        complete = True
        for label, bins in self.predictions.items():
            if bins != self.acknowledged.get(label):
                room -= len(json.dumps({label: bins}, ensure_ascii=False).encode(errors="replace"))
                complete = room >= 0
                if not complete:
                    break
                new[label] = list(bins)
        usage = reports.Usage(model, policy, new, self.rejected, self.failed, list(self.latency), dict(self.kept))
        return usage if new or not complete or _others(usage) != self.acknowledged_others else None

    def acknowledge(self, usage: reports.Usage) -> None:
        self.acknowledged.update(usage.predictions)
        self.acknowledged_others = _others(usage)


def _others(usage: reports.Usage) -> Any:
    return usage.rejected, usage.failed, usage.latency, usage.kept


class Counts:
    """Images by model and policy, and images without a result. Thread-safe."""

    def __init__(self) -> None:
        self.boot = ids.new_id()
        self._tallies: dict[tuple[str, int], Tally] = {}  # all since boot: a rollback returns to an earlier one
        self._classified = 0
        self._lost: Counter[str] = Counter()
        self._sent: deque[tuple[Callable[[], bool], tuple[reports.Usage, ...]]] = deque()
        self._lock = threading.Lock()

    def add(
        self,
        desired: messages.Desired,
        best: messages.Prediction,
        choice: choose.Choice,
        seconds: float,
        *,
        novel: bool,
    ) -> None:
        """Count an image that was classified under this model and policy in this time."""
        with self._lock:
            tally = self._tally(desired)
            self._classified += 1
            tally.predictions.setdefault(best.label, [0] * reports.BINS)[bin_of(best.confidence)] += 1
            tally.latency[bucket_of(seconds)] += 1
            tally.rejected += novel
            if choice.reason in {"low", "high"}:
                tally.kept[choice.reason] += 1
            if choice.audit:
                tally.kept["audit"] += 1

    def fail(self, desired: messages.Desired) -> None:
        """Count an image for which this model gave no valid result."""
        with self._lock:
            self._tally(desired).failed += 1
            self._lost["bad-prediction"] += 1

    def lose(self, reason: str) -> None:
        """Count an image that could not be decoded or kept."""
        with self._lock:
            self._lost[reason] += 1

    def snapshot(self) -> tuple[int, Counter[str]]:
        """Return a consistent snapshot: how many images were classified, and the lost ones by reason."""
        with self._lock:
            return self._classified, self._lost.copy()

    def usage(self, limit: int) -> tuple[reports.Usage, ...]:
        """Return the counts that the broker has not acknowledged, oldest model first, in at most `limit` bytes of JSON.

        What does not fit follows once these are acknowledged.
        """
        with self._lock:
            self._settle()
            found: list[reports.Usage] = []
            for (model, policy), tally in self._tallies.items():
                if len(found) == reports.MAX_USAGE or limit < HEADER:
                    break
                if usage := tally.usage(model, policy, limit - HEADER):
                    found.append(usage)
                    limit -= len(json.dumps(usage.predictions, ensure_ascii=False).encode(errors="replace")) + HEADER
            return tuple(found)

    def sent(self, usage: tuple[reports.Usage, ...], is_acknowledged: Callable[[], bool]) -> None:
        """Note that these counts were published; once `is_acknowledged`, they are reported again only when they change."""
        with self._lock:
            self._sent.append((is_acknowledged, usage))

    def repeat(self) -> None:
        """Report all counts again: a broker that was restarted may have lost messages that it had acknowledged."""
        with self._lock:
            self._sent.clear()
            for tally in self._tallies.values():
                tally.acknowledged, tally.acknowledged_others = {}, None

    def _settle(self) -> None:
        while self._sent and self._sent[0][0]():
            for usage in self._sent.popleft()[1]:
                self._tallies[usage.model, usage.policy].acknowledge(usage)

    def _tally(self, desired: messages.Desired) -> Tally:
        key = desired.model, desired.policy.version
        if key not in self._tallies:
            self._tallies[key] = Tally()
        return self._tallies[key]


def bin_of(confidence: float) -> int:
    """Bin i holds confidences from i/10 up to (i+1)/10; 1.0 belongs to the last."""
    return min(int(confidence * reports.BINS), reports.BINS - 1)


def bucket_of(seconds: float) -> int:
    """Bucket i holds latencies above bound i - 1 and up to bound i of `reports.LATENCY_MS`; the last holds the others."""
    return bisect.bisect_left(reports.LATENCY_MS, seconds * 1000)
