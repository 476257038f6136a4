"""Draws what a fleet counts during a rollout: devices differ, and each changes with the time of day."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from deployer.behaviour import checks, counts
from strop_wire import reports

LABELS = ("bottle", "can", "carton", "cup")


@dataclass(frozen=True)
class Model:
    """How a model answers. `certainty` is the expected confidence of a right answer, `gap` how much less a wrong one has."""

    accuracy: float = 0.9
    certainty: float = 0.85
    gap: float = 0.2
    milliseconds: float = 40.0
    always: str = ""
    failed: float = 0.0
    novel: float = 0.02


OLD = Model()
GOOD = Model(accuracy=0.92, certainty=0.87)
OVERCONFIDENT = Model(certainty=0.99, gap=0.0)


@dataclass
class Fleet:
    """Devices with a mix of labels each. `wander` is how much a mix changes from one period to the next."""

    size: int
    seed: int
    wander: float = 40.0

    def __post_init__(self) -> None:
        self.draw = np.random.default_rng(self.seed)
        self.mixes = self.draw.dirichlet([3.0] * len(LABELS), self.size)

    def period(self, device: int, model: Model, images: int) -> counts.Counts:
        """Count the images of one device in one period."""
        mix = self.draw.dirichlet(self.mixes[device] * self.wander + 0.2)
        truth = self.draw.choice(len(LABELS), images, p=mix)
        right = self.draw.random(images) < model.accuracy
        answer = np.where(right, truth, self.draw.integers(0, len(LABELS), images))
        if model.always:
            answer = np.full(images, LABELS.index(model.always))
        expected = np.where(right, model.certainty, model.certainty - model.gap)
        light = self.draw.normal(0, 0.02)  # of this device in this period
        confidence = self.draw.beta(12 * (expected + light), 12 * (1 - expected - light).clip(0.001))
        bins = np.minimum((confidence * reports.BINS).astype(int), reports.BINS - 1)
        ms = self.draw.lognormal(np.log(model.milliseconds) + self.draw.normal(0, 0.1), 0.2, images)
        valid = self.draw.random(images) >= model.failed
        return counts.Counts(
            {
                label: np.bincount(bins[valid & (answer == k)], minlength=reports.BINS).tolist()
                for k, label in enumerate(LABELS)
            },
            rejected=int(self.draw.binomial(int(valid.sum()), model.novel)),
            low=int((confidence[valid] < 0.6).sum()),
            failed=int((~valid).sum()),
            latency=np.bincount(np.searchsorted(reports.LATENCY_MS, ms[valid]), minlength=counts.BUCKETS).tolist(),
        )


def rollout(
    fleet: Fleet, new: Model, canaries: int, looks: int, images: int = 40, evaluated: checks.Evaluated | None = None
) -> Iterator[list[checks.Check]]:
    """Yield the checks of each look; between two looks every device counts `images` images."""
    devices = [counts.Device(fleet.period(n, OLD, 8 * images), counts.Counts()) for n in range(fleet.size)]
    for look in range(1, looks + 1):
        for n, device in enumerate(devices):
            more = fleet.period(n, new if n < canaries else OLD, images)
            devices[n] = replace(device, after=device.after.plus(more))
        sample = checks.Sample("v2", "v1", devices[:canaries], devices[canaries:], LABELS, evaluated=evaluated)
        yield checks.judge(sample, checks.Limits(), look)


def breaches(judged: list[checks.Check]) -> set[str]:
    return {check.name for check in judged if check.verdict == "breach"}


def stopped(looks: Iterator[list[checks.Check]]) -> tuple[int, set[str]] | None:
    """Return the first look with a breach and the names of its checks; None if there is none."""
    return next(((n, names) for n, judged in enumerate(looks, 1) if (names := breaches(judged))), None)
