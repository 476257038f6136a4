"""What the deployer decides: who belongs to which stage, what a deployment does next, which model is the last good one."""

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from strop_contracts import states

GRACE = 30.0  # seconds a device that is just reconnecting has to answer before another stands in for it


def model_name(version: int) -> str:
    """The model version as the wire writes it."""
    return f"v{version}"


# --- stages ---


def assign(
    devices: Collection[str], online: Collection[str], deployment: str, shares: Sequence[float]
) -> dict[str, int]:
    """Divide the devices over the stages, those online first: a canary must be able to answer.

    Within both groups the order is that of their hashes, another in each deployment. `shares` are cumulative and end with 1.
    Each stage reaches the nearest whole number of devices; the first at least one.
    """
    ranked = sorted(devices, key=lambda device: (device not in online, _position(device, deployment), device))
    bounds = [max(1, math.floor(share * len(ranked) + 0.5)) for share in shares]
    return {device: next(k for k, bound in enumerate(bounds) if rank < bound) for rank, device in enumerate(ranked)}


def late(device: str, deployment: str, shares: Sequence[float]) -> int:
    """The stage of a device that joins while a deployment runs; the stages of others stay."""
    position = _position(device, deployment)
    return next((k for k, share in enumerate(shares) if position < share), len(shares) - 1)


def _position(device: str, deployment: str) -> float:
    """Where a device stands in a deployment: evenly spread over 0 to 1."""
    digest = hashlib.sha256(f"{deployment}/{device}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


# --- the next action ---


@dataclass(frozen=True, slots=True)
class Limits:
    """When a stage is over, and when it has gone wrong."""

    stage_timeout: float  # seconds after which a silent device no longer holds its stage
    failure_share: float  # above this share of failed installs the deployment is rolled back
    minimum_share: float  # share of the devices with an order that must have installed before the next stage opens
    grace: float  # seconds after the order in which an offline device counts; later other devices replace it


@dataclass(frozen=True, slots=True)
class Progress:
    """The devices of all stages opened so far, counted by what is known of them, and the clock of the open stage."""

    unsent: int  # no order yet: the broker is unreachable, or the publish is in progress
    installed: int
    failed: int
    online: int  # ordered, unanswered, and seen lately
    absent: int  # ordered, unanswered, and not seen lately
    reserve: int  # online devices of later stages
    age: float  # seconds since the stage opened and all its orders were sent
    last: bool  # no stage follows
    rollback: bool  # a deployment back to a good model: failures do not stop it

    @property
    def ordered(self) -> int:
        return self.installed + self.failed + self.online + self.absent


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do yet."""


@dataclass(frozen=True, slots=True)
class Advance:
    """Open the next stage."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The model is good: it is the project's current one from now on."""


@dataclass(frozen=True, slots=True)
class Widen:
    """Too few devices of the stage can be reached: bring online ones forward from later stages."""

    count: int


@dataclass(frozen=True, slots=True)
class RollBack:
    reason: str


Action = Wait | Advance | Finish | Widen | RollBack


def next_action(progress: Progress, limits: Limits) -> Action:
    """Decide what a running deployment does next.

    Failures count twice: against all devices with an order, which stops a bad model as soon as it is certain, and, when the stage is
    judged, against those who answered, so that absent devices do not hide them.
    """
    if reason := _too_many_failures(progress, progress.ordered + progress.unsent, limits):
        return RollBack(reason)
    timed_out = progress.age >= limits.stage_timeout
    if progress.unsent or (progress.online and not timed_out):
        return Wait()
    if reason := _too_many_failures(progress, progress.installed + progress.failed, limits):
        return RollBack(reason)
    return _judge(progress, limits, timed_out)


def _too_many_failures(progress: Progress, among: int, limits: Limits) -> str | None:
    if progress.rollback or not progress.failed or progress.failed / among <= limits.failure_share:
        return None
    return f"{progress.failed} of {among} devices failed to install"


def _judge(progress: Progress, limits: Limits, timed_out: bool) -> Action:
    """Everybody reachable has answered, or the time is up."""
    enough = progress.installed >= max(1.0, limits.minimum_share * progress.ordered)
    if progress.last:  # nothing opens any more: those still away get the model when they return
        return Finish() if enough or (timed_out and progress.installed) else Wait()
    if enough:
        return Advance()
    if progress.reserve and (timed_out or progress.age >= limits.grace):
        return Widen(min(progress.reserve, _stand_ins(progress, limits.minimum_share)))
    return Wait()


def _stand_ins(progress: Progress, share: float) -> int:
    """The smallest n with (installed + n) / (ordered + n) >= share: if all of them install, it is enough."""
    return max(1, math.ceil((share * progress.ordered - progress.installed) / (1 - share)))


FIRST_LOOK = 30.0
"""Most seconds until behaviour is checked for the first time; later looks come at growing distances."""
GROWTH = 0.5
"""Share of a rollout's age after which it is checked again: every look makes the next ones less sensitive."""


def look_due(now: datetime, at: datetime, stage_at: datetime, looked_at: datetime | None, soak: float) -> bool:
    """Return whether the behaviour of devices is to be checked: at growing distances, and when a stage has soaked."""
    soaked = stage_at + timedelta(seconds=soak)
    last = looked_at or stage_at
    pause = max(min(FIRST_LOOK, soak / 6), GROWTH * (last - at).total_seconds())
    return (now - last).total_seconds() >= pause or last < soaked <= now


def waits_for(
    *, held: bool, soaks_until: datetime | None, predictions: int, min_predictions: int, approval: bool
) -> str | None:
    """Return what the next stage waits for, in words, although the devices of this one have installed; None: nothing."""
    if held:
        return "the end of the hold"
    if soaks_until:
        return f"the end of its soak time, {soaks_until:%Y-%m-%d %H:%M:%S} UTC"
    if predictions < min_predictions:
        return f"{min_predictions} predictions of the new model; there are {predictions}"
    return "approval" if approval else None


# --- a device's answer ---


@dataclass(frozen=True, slots=True)
class Answer:
    state: states.InstallState
    reason: str | None = None


def answer(
    deployment: UUID, target: str, *, answered: UUID | None, outcome: str | None, reason: str, model: str | None
) -> Answer | None:
    """Return what a report means for the deployment of a device; None if it does not concern it.

    A device that runs the target model has it, whichever deployment it answers; else only an answer to this one counts.
    """
    if model == target:
        return Answer(states.InstallState.INSTALLED)
    if answered != deployment or outcome is None:
        return None
    return Answer(states.InstallState(outcome), reason or None)


# --- the way back ---


def last_good(current: int, previous: int | None, outcomes: Mapping[int, str]) -> int | None:
    """The model version to return to, or None.

    `outcomes` holds the state of each version's latest deployment. What ran before comes first; if that was itself taken
    back, the newest older version that held.
    """
    good = {
        version
        for version, state in outcomes.items()
        if state == states.DeploymentState.SUCCEEDED and version != current
    }
    if previous in good:
        return previous
    return max((version for version in good if version < current), default=None)
