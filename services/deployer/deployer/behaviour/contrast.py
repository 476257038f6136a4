"""The difference of differences: how much more a measure changed on devices with a new model than on those with the old one.

The device is the unit: images of one device resemble each other, so their number alone shows nothing. The change d of a
device has the variance v of its counts plus a variance t of the changes that devices make without a new model (another shift, another
light). Each group's mean is weighted by 1 / (v + t); t is the moment estimate of DerSimonian and Laird (1986), moderated towards
a prior as in Smyth (2004), because few canaries do not show it: (n0 t0 + n t) / (n0 + n), where n are its degrees of freedom.
The prior of the old group is a constant of the measure, that of the new group is the estimate of the old group.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from deployer.behaviour.counts import Device
from deployer.behaviour.measures import Measure, Reading

PRIOR_DEVICES = 8
"""Degrees of freedom of a prior variance: how many devices it is worth."""

MOST_FREEDOM = 1000
"""Degrees of freedom above which Student's distribution is taken for the normal one."""


@dataclass(frozen=True, slots=True)
class Group:
    """Devices of one model: means before and after, the mean change and its variance."""

    devices: int
    before: float
    after: float
    change: float
    variance: float
    spread: float  # moderated variance of changes between devices
    estimated: float  # the part of `variance` that comes from `spread`, which is an estimate
    freedom: float  # of that estimate


@dataclass(frozen=True, slots=True)
class Contrast:
    new: Group
    old: Group

    @property
    def effect(self) -> float:
        return self.new.change - self.old.change

    def p(self, null: float) -> float:
        """Return the one-sided p-value of an effect above `null`: a t-test whose degrees of freedom are Satterthwaite's.

        Only the variance between devices is an estimate; that of the counts follows from their number.
        """
        variance = self.new.variance + self.old.variance
        doubt = sum(each.estimated**2 / each.freedom for each in (self.new, self.old))
        freedom = variance**2 / doubt if doubt else math.inf
        return upper_tail((self.effect - null) / math.sqrt(variance), freedom)


def contrast(new: Sequence[Device], old: Sequence[Device], reading: Reading, spread: float) -> Contrast | None:
    """Compare two groups; None if one has no device with a measure. `spread` is the prior standard deviation of changes."""
    if not (controls := _group(old, reading, spread**2)):
        return None
    canaries = _group(new, reading, controls.spread)
    return Contrast(canaries, controls) if canaries else None


def _group(devices: Sequence[Device], reading: Reading, prior: float) -> Group | None:
    pairs = [(reading(device.before), reading(device.after)) for device in devices]
    measured = [(before, after) for before, after in pairs if before and after]
    if not measured:
        return None
    changes = [Measure(after.value - before.value, after.variance + before.variance) for before, after in measured]
    freedom = len(changes) - 1
    spread = (PRIOR_DEVICES * prior + freedom * _between(changes)) / (PRIOR_DEVICES + freedom)
    weights = [1 / (change.variance + spread) for change in changes]
    variance = 1 / sum(weights)
    return Group(
        devices=len(changes),
        before=_mean([before.value for before, _ in measured], weights),
        after=_mean([after.value for _, after in measured], weights),
        change=_mean([change.value for change in changes], weights),
        variance=variance,
        spread=spread,
        estimated=variance * _mean([spread * weight for weight in weights], weights),
        freedom=PRIOR_DEVICES + freedom,
    )


def _between(changes: Sequence[Measure]) -> float:
    """Estimate the variance between devices by the method of moments; 0 if the counts explain all of it."""
    weights = [1 / change.variance for change in changes]
    mean = _mean([change.value for change in changes], weights)
    excess = sum(w * (each.value - mean) ** 2 for w, each in zip(weights, changes, strict=True)) - (len(changes) - 1)
    scale = sum(weights) - sum(w * w for w in weights) / sum(weights)
    return max(0.0, excess / scale) if scale > 0 and len(changes) > 1 else 0.0


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    return sum(w * value for w, value in zip(weights, values, strict=True)) / sum(weights)


def upper_tail(t: float, freedom: float) -> float:
    """Return P(T > t) of Student's distribution; fractions of degrees of freedom are cut off, which is conservative.

    Abramowitz and Stegun, 26.7.3 and 26.7.4: a finite sum for whole numbers.
    """
    if freedom > MOST_FREEDOM:
        return math.erfc(t / math.sqrt(2)) / 2
    n = int(freedom)
    angle = math.atan(t / math.sqrt(n))
    term, total = (math.cos(angle), 0.0) if n % 2 else (1.0, 0.0)
    for k in range(1 + n % 2, n, 2):
        total += term
        term *= math.cos(angle) ** 2 * k / (k + 1)
    within = 2 / math.pi * (angle + math.sin(angle) * total) if n % 2 else math.sin(angle) * total
    return min(1.0, max(0.0, (1 - within) / 2))
