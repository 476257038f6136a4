"""The JSON documents of the control API about rollouts."""

from datetime import datetime
from uuid import UUID

from strop_contracts import control, states


class RolloutPolicy(control.Document):
    """How a project's models are rolled out."""

    version: int  # 0: the defaults
    values: list[control.PolicyValue]


class RolloutStage(control.Document):
    """A stage of a deployment and the states of its devices."""

    number: int  # from 1
    share: float  # of the fleet, this stage and those before it together
    opened: bool
    devices: int
    installed: int
    failed: int


class RolloutCheck(control.Document):
    """A check at one look. `new` and `old` are changes since the start, `effect` is their difference."""

    name: str
    look: int  # from 1
    stage: int  # from 1
    at: datetime
    new: float | None  # None: too little data
    old: float | None
    effect: float | None
    threshold: float  # the effect that matters
    p: float | None  # chance of such an effect if the true one were half of the threshold
    level: float  # p below which it counts
    devices: int  # on the new model
    predictions: int  # of the new model
    verdict: states.CheckVerdict
    sentence: str


class RolloutDecision(control.Document):
    """What a person decided about a rollout."""

    at: datetime
    by: str
    action: states.RolloutAction
    stage: int  # from 1
    reason: str


class Rollout(control.Document):
    """A deployment: a rollout, or the return to an earlier model."""

    id: UUID
    version: int
    previous: int | None
    kind: states.DeploymentKind
    state: states.DeploymentState
    reason: str | None
    at: datetime
    finished_at: datetime | None
    stage: int  # the open one, from 1
    stages: list[RolloutStage]
    held_by: str | None  # a user, or `states.AUTOMATIC`
    held_reason: str | None
    waits_for: str | None  # why the next stage is not open
    ended_by: str | None  # of a rollout that was taken back
    reached: int | None  # of a rollout that was taken back: devices that had its model, or its order
    seconds_to_restore: float | None  # of a rollout that was taken back: until those that are online were back
    devices: int
    predictions: int  # of the new model, at the last look
    checks: list[RolloutCheck]  # the latest of each name
    decisions: list[RolloutDecision]  # oldest first


class Rollouts(control.Document):
    """The newest deployments of a project, newest first."""

    project: str
    rollouts: list[Rollout]
