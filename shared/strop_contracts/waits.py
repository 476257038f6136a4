"""The events that rows wait for, by service: states that a lost event would never leave.

`strop.reconciler` emits the event of a row again once the row is older than a limit, `strop ledger` names the rows that stay,
and a gauge shows the oldest one of each kind. Every event of `events` is here, or in ELSEWHERE; a test compares them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, cast, exists, func, literal_column, select
from sqlalchemy.orm import aliased

from strop_contracts import events, keys, services, states, tables

REMEMBERED = timedelta(days=19)
"""Age of a model up to which the inbox shows whether its ModelRegistered was handled: less than `inbox.KEEP`."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A state that ends with the handling of an event. Handling the event twice must change nothing."""

    kind: str
    event: type[events.Event]
    rows: Select[*tuple[Any, ...]]  # `since`, then the event's fields by name; `project` among them
    heals: tuple[type[events.Event], ...] = ()  # further events whose loss leaves the same state
    slow: bool = False  # it may wait for hours behind other work that goes well


def _missing(table: type[tables.Base], *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return ~exists().select_from(table).where(*conditions)


Capture, Upload, Task, Truth = tables.Capture, tables.Upload, tables.LabelTask, tables.GroundTruth
Run, Model, Version, Change = tables.TrainingRun, tables.ModelVersion, tables.ProjectVersion, tables.HostedChange

_CAPTURE = (Capture.project, Capture.id.label("capture_id"), Capture.device)

DECISION = Wait(
    "capture decision",
    events.CaptureReceived,
    select(Capture.at.label("since"), *_CAPTURE).where(_missing(Upload, Upload.capture_id == Capture.id)),
    heals=(events.ImageRequested, events.ImageDeclined),  # the router publishes a decision that it has made again
)

TASK = Wait(
    "label task",
    events.ImageStored,
    select(func.coalesce(Upload.stored_at, Upload.at).label("since"), *_CAPTURE, Capture.sha256)
    .join(Upload, Upload.capture_id == Capture.id)
    .where(Upload.state == states.UploadState.STORED, _missing(Task, Task.capture_id == Capture.id)),
)

COPY = Wait(
    "folder copy",
    events.ImageLabeled,
    select(
        Task.copy_due_at.label("since"),
        *(Task.project, Task.capture_id, Task.device, Truth.label),
        func.coalesce(Truth.author, "").label("author"),
    )
    .outerjoin(Truth, Truth.capture_id == Task.capture_id)
    .where(Task.copy_due_at.is_not(None)),
)

TRAINING = Wait(
    "training start",
    events.TrainingRequested,
    select(Run.at.label("since"), Run.project, Run.id.label("run_id")).where(Run.state == states.RunState.REQUESTED),
    slow=True,
)

_rollout = tables.Deployment
_approved = func.greatest(Model.at, Model.judged_at, Model.decided_at)  # by the gate, a later judgement or a person
ROLLOUT = Wait(
    "rollout",
    events.ModelApproved,
    select(_approved.label("since"), Model.project, Model.version.label("model_version")).where(
        Model.state == states.ModelState.APPROVED,
        _missing(
            _rollout,
            _rollout.project == Model.project,
            _rollout.model_version == Model.version,
            _rollout.kind == states.DeploymentKind.ROLLOUT,
        ),
    ),
)

_back = aliased(tables.Deployment)
_to_version = (
    select(_back.model_version)
    .where(
        _back.project == _rollout.project,
        _back.kind == states.DeploymentKind.ROLLBACK,
        _back.at >= _rollout.finished_at,
    )
    .order_by(_back.at)
    .limit(1)
    .scalar_subquery()
)
ANNOUNCEMENT = Wait(
    "announcement of a rollback",
    events.DeploymentRolledBack,
    select(
        *(_rollout.finished_at.label("since"), _rollout.project, _rollout.id.label("deployment_id")),
        *(_rollout.model_version, _to_version.label("to_version")),
        (_rollout.ended_by == states.AUTOMATIC).label("automatic"),
        func.coalesce(_rollout.ended_by, "").label("by"),
        func.coalesce(_rollout.reason, "").label("reason"),
        func.coalesce(_rollout.reached, 0).label("devices_reached"),
    ).where(_rollout.state == states.DeploymentState.ROLLED_BACK, _rollout.announced_at.is_(None)),
)

_order, _device = tables.DeploymentDevice, tables.Device
REPORT = Wait(
    "device report",  # a device that does not report the model gets its order again: `deployer.leases`
    events.DeviceReported,
    select(_order.sent_at.label("since"), _order.project, _order.device, _device.model)
    .join(_device, and_(_device.project == _order.project, _device.name == _order.device))
    .join(_rollout, _rollout.id == _order.deployment_id)
    .where(
        _order.current,
        _order.state == states.InstallState.SENT,
        _order.sent_at.is_not(None),
        _device.model == func.concat("v", _rollout.model_version),
    ),
)

_TRAINING = Version.status == states.VersionStatus.TRAINING_IN_PROGRESS
ORDER = Wait(
    "ordered training",
    events.TrainingOrdered,
    select(
        *(Version.at.label("since"), Version.project, Version.run_id),
        func.concat(Version.project, f"/{keys.ORDERS}", Version.id, ".jsonl").label("manifest"),
        literal_column(f"'{events.HOSTED_BACKBONE}'", String).label("backbone"),
    ).where(_TRAINING, Version.run_id.is_not(None), _missing(Run, Run.id == Version.run_id)),
)

_ENDED = func.coalesce(Run.finished_at, Run.at).label("since")
TRAINED = Wait(
    "trained version",
    events.ModelRegistered,
    select(_ENDED, Version.project, Version.run_id, Model.version.label("model_version"))
    .join(Run, Run.id == Version.run_id)
    .join(Model, Model.run_id == Version.run_id)
    .where(_TRAINING),
)

NOT_TRAINED = Wait(
    "failed version",
    events.TrainingFailed,
    select(_ENDED, Version.project, Version.run_id, func.coalesce(Run.error, "").label("reason"))
    .join(Run, Run.id == Version.run_id)
    .where(_TRAINING, Run.state == states.RunState.FAILED),
)

FLEET_VERSION = Wait(
    "version of a fleet's model",  # its user may delete it: only the inbox shows whether it existed
    events.ModelRegistered,
    select(
        *(Model.at.label("since"), Model.project, Model.run_id, Model.version.label("model_version")),
        Model.run_id.label("id"),
    ).where(
        Model.state != states.ModelState.HOSTED,
        Model.at > func.now() - REMEMBERED,
        _missing(Version, Version.run_id == Model.run_id),
        _missing(
            tables.Inbox,
            tables.Inbox.consumer == services.CUSTOM_LABELS.name,
            tables.Inbox.event_id == cast(Model.run_id, String),
        ),
    ),
)

CHANGE = Wait(
    "data set change",
    events.DatasetChangeRequested,
    select(Change.at.label("since"), tables.HostedDataset.project, Change.id.label("change_id"))
    .join(tables.HostedDataset, tables.HostedDataset.id == Change.dataset_id)
    .where(Change.done_at.is_(None)),
    slow=True,
)

MODEL_DELETION = Wait(
    "deletion of a hosted model",
    events.HostedModelDeleted,
    select(Model.at.label("since"), Model.project, Model.version.label("model_version")).where(
        Model.state == states.ModelState.HOSTED, _missing(Version, Version.run_id == Model.run_id)
    ),
)

_DELETED_AT = "to_timestamp(('x' || left(replace(deletion_id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)"
PROJECT_DELETION = Wait(
    "deletion of a project",
    events.ProjectDeleted,
    select(
        literal_column(_DELETED_AT).label("since"),  # the time in a UUIDv7
        tables.Project.name.label("project"),
        tables.Project.deletion_id,
    ).where(tables.Project.deletion_id.is_not(None)),
    heals=(events.ProjectCleared,),  # each service clears again, and answers again
)

BY_SERVICE: Mapping[str, tuple[Wait, ...]] = {
    services.INGEST.name: (DECISION,),
    services.LABELING_QUEUE.name: (TASK, COPY),
    services.TRAINER.name: (TRAINING,),
    services.DEPLOYER.name: (ROLLOUT, REPORT, ANNOUNCEMENT),
    services.CUSTOM_LABELS.name: (
        *(ORDER, TRAINED, NOT_TRAINED, FLEET_VERSION, CHANGE, MODEL_DELETION, PROJECT_DELETION),
    ),
}
"""The service that waits emits the event again. It may read the tables (`services`)."""

ELSEWHERE: Mapping[type[events.Event], str] = {
    events.LabelFiled: "ingest.bucket_sweep finds the file in the folder of another label",
    events.QualityDegraded: "trainer.triggers evaluates all projects at intervals and reads `quality_models`",
    events.CopyMoved: "ingest.bucket_sweep finds the copy of a capture with a label among those without",
}
"""Events without a Wait, and what finds their loss."""
