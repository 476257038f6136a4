"""The values of every state, kind and status column. Each column has a CHECK constraint made from its class (`tables/base.py`).

A new value needs a migration that replaces the constraint; a test compares the two.
"""

from enum import StrEnum


class UploadState(StrEnum):
    """What became of a capture's image."""

    GRANTED = "granted"
    STORED = "stored"
    DROPPED = "dropped"


class Split(StrEnum):
    """The part of a base data set that a file belongs to."""

    TRAIN = "train"
    VALID = "valid"


class TaskState(StrEnum):
    """Whether a label task still needs an answer; an audit that was not sent to labelers has a task that is not sampled."""

    OPEN = "open"
    DONE = "done"
    NOT_SAMPLED = "not_sampled"


class AnswerKind(StrEnum):
    """What a person answered: a label, not decidable, none of the labels, or an unusable image."""

    LABEL = "label"
    UNCLEAR = "unclear"
    NONE = "none"
    BAD = "bad"


class AnswerSource(StrEnum):
    """How an answer arrived: from the labeling page, a program, or a file moved into a label's folder."""

    PAGE = "page"
    API = "api"
    FOLDER = "folder"


class TokenKind(StrEnum):
    """A sign-in link, the session cookie it is exchanged for, or the token of a program or of the `strop` command."""

    ONCE = "once"
    SESSION = "session"
    API = "api"


class Role(StrEnum):
    """What a member may do, each role including those before it.

    A labeler answers tasks; a reviewer reads data sets, models and results; an engineer changes a project; an admin also changes
    users, devices and projects.
    """

    LABELER = "labeler"
    REVIEWER = "reviewer"
    ENGINEER = "engineer"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """Return the place in this order."""
        return list(Role).index(self)


class RunState(StrEnum):
    """The progress of a training run."""

    REQUESTED = "requested"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class RunTrigger(StrEnum):
    """Why a run was created: new labels, images of a new label, the schedule, degradation in the field, new audits of an undecided
    model, a person, or an order for a hosted model."""

    LABELS = "labels"
    NEW_LABEL = "new_label"
    SCHEDULE = "schedule"
    DEGRADATION = "degradation"
    AUDITS = "audits"
    MANUAL = "manual"
    ORDER = "order"


class ModelState(StrEnum):
    """The verdict on a model: passed or failed the gate, not decidable on its held-out images, or hosted without a gate."""

    APPROVED = "approved"
    UNDECIDED = "undecided"
    REFUSED = "refused"
    HOSTED = "hosted"


class EvaluationPart(StrEnum):
    """The images a model was evaluated on: the golden set, or the held-out base images."""

    FIELD = "field"
    BASE = "base"


class DeploymentState(StrEnum):
    """The progress of a deployment."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    ROLLED_BACK = "rolled_back"
    SUPERSEDED = "superseded"


class DeploymentKind(StrEnum):
    """Whether a deployment installs a new model or restores an earlier one."""

    ROLLOUT = "rollout"
    ROLLBACK = "rollback"


AUTOMATIC = "strop"
"""In the place of a user: the deployer itself held a rollout, or took it back."""


class RolloutAction(StrEnum):
    """What a person decided about a rollout: open its next stage, stop it from going on, let it go on, or take it back."""

    APPROVE = "approve"
    HOLD = "hold"
    RESUME = "resume"
    ABORT = "abort"


class CheckVerdict(StrEnum):
    """The result of a check of a rollout: no harm was seen, too little data, or the new model does harm."""

    PASS = "pass"  # noqa: S105 - no password
    WAIT = "wait"
    BREACH = "breach"


class InstallState(StrEnum):
    """The progress of a deployment on one device."""

    WAITING = "waiting"
    SENT = "sent"
    INSTALLED = "installed"
    FAILED = "failed"


class DatasetKind(StrEnum):
    """The part of a hosted data set, in AWS's words."""

    TRAIN = "TRAIN"
    TEST = "TEST"


class DatasetStatus(StrEnum):
    """The status of a hosted data set, in AWS's words."""

    CREATE_IN_PROGRESS = "CREATE_IN_PROGRESS"
    CREATE_COMPLETE = "CREATE_COMPLETE"
    CREATE_FAILED = "CREATE_FAILED"
    UPDATE_IN_PROGRESS = "UPDATE_IN_PROGRESS"
    UPDATE_COMPLETE = "UPDATE_COMPLETE"
    UPDATE_FAILED = "UPDATE_FAILED"
    DELETE_IN_PROGRESS = "DELETE_IN_PROGRESS"


class DatasetCode(StrEnum):
    """How the latest change of a hosted data set ended, in AWS's words."""

    SUCCESS = "SUCCESS"
    SERVICE_ERROR = "SERVICE_ERROR"
    CLIENT_ERROR = "CLIENT_ERROR"


class ChangeKind(StrEnum):
    """The kind of a requested change of a hosted data set."""

    CREATE = "create"
    UPDATE = "update"
    COPY = "copy"
    DISTRIBUTE = "distribute"


class VersionStatus(StrEnum):
    """The status of a project version, in AWS's words."""

    TRAINING_IN_PROGRESS = "TRAINING_IN_PROGRESS"
    TRAINING_COMPLETED = "TRAINING_COMPLETED"
    TRAINING_FAILED = "TRAINING_FAILED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    FAILED = "FAILED"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    DELETING = "DELETING"
    COPYING_IN_PROGRESS = "COPYING_IN_PROGRESS"
    COPYING_COMPLETED = "COPYING_COMPLETED"
    COPYING_FAILED = "COPYING_FAILED"


class LetterState(StrEnum):
    """What became of a dead letter."""

    OPEN = "open"
    RETRIED = "retried"
    DROPPED = "dropped"
