"""What a device has counted under one model in a period."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from strop_wire import reports

BUCKETS = len(reports.LATENCY_MS) + 1


def _no_latency() -> list[int]:
    return [0] * BUCKETS


@dataclass(frozen=True, slots=True)
class Counts:
    """Images by predicted label and confidence bin, by latency bucket, and by what became of them."""

    predictions: Mapping[str, list[int]] = field(default_factory=dict)  # {label: `reports.BINS` counts}
    rejected: int = 0  # of these, novel
    low: int = 0  # of these, kept as uncertain
    failed: int = 0  # other images: no valid result
    latency: list[int] = field(default_factory=_no_latency)

    @property
    def classified(self) -> int:
        return sum(map(sum, self.predictions.values()))

    def label(self, name: str) -> int:
        """Return the predictions of a label."""
        return sum(self.predictions.get(name, ()))

    def below(self, bins: int) -> int:
        """Return the predictions with a confidence in the first bins."""
        return sum(sum(each[:bins]) for each in self.predictions.values())

    def plus(self, other: Self) -> "Counts":
        return _merge(self, other, 1)

    def minus(self, other: Self) -> "Counts":
        """Return the counts that were added since `other`, none below zero."""
        return _merge(self, other, -1)


def _merge(one: Counts, other: Counts, sign: int) -> Counts:
    def add(a: int, b: int) -> int:
        return max(0, a + sign * b)

    none = [0] * reports.BINS
    labels = sorted({*one.predictions, *other.predictions})
    return Counts(
        predictions={
            label: list(map(add, one.predictions.get(label, none), other.predictions.get(label, none)))
            for label in labels
        },
        rejected=add(one.rejected, other.rejected),
        low=add(one.low, other.low),
        failed=add(one.failed, other.failed),
        latency=list(map(add, one.latency, other.latency)),
    )


def total(parts: Iterable[Counts]) -> Counts:
    """Return the sum."""
    result = Counts()
    for part in parts:
        result = result.plus(part)
    return result


@dataclass(frozen=True, slots=True)
class Device:
    """A device before the rollout, on the old model, and since then on its model of now."""

    before: Counts
    after: Counts
