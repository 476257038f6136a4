"""All tables. One service writes each (named over it); the others may read.

Ids are UUIDv7 made by us or by the device. Times are the server's, except `captured_at`, which is the device's claim.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Index, MetaData, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from strop_wire import ids


class Base(DeclarativeBase):
    """Naming conventions let migrations name every constraint."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own way
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        int: BigInteger,
    }


def _created() -> Mapped[datetime]:
    return mapped_column(server_default=func.now())


def _id() -> Mapped[UUID]:
    return mapped_column(primary_key=True, default=ids.uuid7)


# --- kernel: every service through `inbox`, `outbox` and `deadletters` ---


class Inbox(Base):
    """An event a consumer has handled: claimed in the transaction that did the work. Forgotten when it cannot come back."""

    __tablename__ = "inbox"
    __table_args__ = (Index(None, "at"),)
    consumer: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = _created()


class Outbox(Base):
    """A message to be sent: one row per queue, deleted once the queue has it."""

    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    queue: Mapped[str]
    body: Mapped[str]
    reason: Mapped[str | None]  # set on what goes to a dead-letter queue
    at: Mapped[datetime] = _created()


class DeadLetter(Base):
    """A message that a service gave up. State: `open`, `retried` (sent again), `dropped`. Given up again, it is open again."""

    __tablename__ = "dead_letters"
    __table_args__ = (
        UniqueConstraint("service", "sha256"),
        Index("ix_dead_letters_open", "service", "last_at", postgresql_where=text("state = 'open'")),
    )
    id: Mapped[UUID] = _id()
    service: Mapped[str]
    sha256: Mapped[str]  # of the body: what makes two letters the same
    body: Mapped[str]
    reason: Mapped[str]  # of the last time
    count: Mapped[int] = mapped_column(server_default=text("1"))  # how often it was given up
    first_at: Mapped[datetime] = _created()
    last_at: Mapped[datetime] = _created()
    state: Mapped[str] = mapped_column(server_default=text("'open'"))


# --- ingest ---


class Project(Base):
    """A fleet with one job: one set of labels, one model."""

    __tablename__ = "projects"
    name: Mapped[str] = mapped_column(primary_key=True)
    tags: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    deleting: Mapped[bool] = mapped_column(server_default=text("false"))  # its objects go first, then the row
    at: Mapped[datetime] = _created()


class Device(Base):
    """An enrolled device (IoT thing) and the latest it said of itself."""

    __tablename__ = "devices"
    project: Mapped[str] = mapped_column(ForeignKey("projects.name"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = _created()
    seen_at: Mapped[datetime | None]
    model: Mapped[str | None]  # the model version it said it runs


class DeviceReport(Base):
    """The newest `state` of one boot of a device; counts are cumulative within a boot, so sums over boots are exact."""

    __tablename__ = "device_reports"
    project: Mapped[str] = mapped_column(primary_key=True)
    device: Mapped[str] = mapped_column(primary_key=True)
    boot: Mapped[UUID] = mapped_column(primary_key=True)
    sequence: Mapped[int]
    at: Mapped[datetime] = _created()
    state: Mapped[dict[str, Any]]


class Image(Base):
    """The bytes of an image, stored once at `{project}/images/{sha256}`, verified."""

    __tablename__ = "images"
    project: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(primary_key=True)
    size: Mapped[int]
    content_type: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    at: Mapped[datetime] = _created()


class Capture(Base):
    """One image a device took and kept, with its prediction. Rows are written once."""

    __tablename__ = "captures"
    __table_args__ = (Index(None, "project", "device", "at"), Index(None, "project", "sha256"))
    id: Mapped[UUID] = mapped_column(primary_key=True)
    project: Mapped[str]
    device: Mapped[str]
    at: Mapped[datetime] = _created()
    captured_at: Mapped[datetime]
    model: Mapped[str]
    predictions: Mapped[list[Any]]  # [{"label", "confidence"}], best first
    label: Mapped[str]
    confidence: Mapped[float]
    margin: Mapped[float]
    reason: Mapped[str]
    audit: Mapped[bool]
    audit_probability: Mapped[float]
    probability: Mapped[float]
    policy: Mapped[int]
    sha256: Mapped[str]
    size: Mapped[int]
    content_type: Mapped[str]
    phash: Mapped[str | None]
    seen: Mapped[int]


class Upload(Base):
    """What became of a capture's image: `granted`, `stored`, or `dropped` with a reason."""

    __tablename__ = "uploads"
    capture_id: Mapped[UUID] = mapped_column(ForeignKey("captures.id"), primary_key=True)
    state: Mapped[str]
    reason: Mapped[str | None]
    key: Mapped[str | None]  # where the device shall PUT it
    attempts: Mapped[int] = mapped_column(server_default=text("0"))  # arrivals that did not match the announcement
    at: Mapped[datetime] = _created()
    stored_at: Mapped[datetime | None]


class DatasetItem(Base):
    """A labelled image of a base data set, from `{project}/datasets/{dataset}/{split}/{label}/…`; gone when the file is.

    The same content may lie under several labels: the newest place counts, by `placed_at`, then `sequencer`.
    """

    __tablename__ = "dataset_items"
    project: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    dataset: Mapped[str]
    split: Mapped[str]  # "train" or "valid"
    label: Mapped[str]
    sha256: Mapped[str | None]  # None when the file was refused
    refused: Mapped[str | None]  # why
    at: Mapped[datetime] = _created()
    placed_at: Mapped[datetime] = _created()  # when S3 says that the object was written, in whole seconds
    sequencer: Mapped[str] = mapped_column(
        server_default=text("''")
    )  # of S3's event, padded: the order within a second


# --- router ---


class Policy(Base):
    """One version of a project's policy; the newest counts."""

    __tablename__ = "policies"
    project: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[dict[str, Any]]
    at: Mapped[datetime] = _created()


class Route(Base):
    """What the router decided for a capture, why, and with which probability."""

    __tablename__ = "routes"
    __table_args__ = (
        Index(None, "project", "at"),
        Index(None, "project", "device", "at"),
        # What counts against a budget: the router looks here before each decision.
        Index("ix_routes_fleet_budget", "project", "at", postgresql_where=text("upload and reason <> 'audit'")),
        Index(
            "ix_routes_device_budget", "project", "device", "at", postgresql_where=text("upload and reason <> 'audit'")
        ),
    )
    capture_id: Mapped[UUID] = mapped_column(primary_key=True)
    project: Mapped[str]
    device: Mapped[str]
    at: Mapped[datetime] = _created()
    upload: Mapped[bool]
    reason: Mapped[str]
    probability: Mapped[float]  # that a capture like this one would be kept by the device and wanted by the router
    policy: Mapped[int]


# --- labeling-queue ---


class User(Base):
    """A person, or a program, who may sign in."""

    __tablename__ = "users"
    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = _created()


class Token(Base):
    """What proves a user: `once` (a sign-in link), `session` (a cookie) or `api`. Only a hash is kept."""

    __tablename__ = "tokens"
    sha256: Mapped[str] = mapped_column(primary_key=True)
    user: Mapped[str] = mapped_column(ForeignKey("users.name"))
    kind: Mapped[str]
    at: Mapped[datetime] = _created()
    expires_at: Mapped[datetime | None]


class LabelTask(Base):
    """A stored capture that waits for a person's answer. State: `open`, `done`."""

    __tablename__ = "label_tasks"
    __table_args__ = (
        UniqueConstraint("capture_id"),
        Index(None, "project", "priority", "id", postgresql_where=text("state = 'open'")),
        Index("ix_label_tasks_mine", "project", "leased_by", postgresql_where=text("state = 'open'")),
    )
    id: Mapped[UUID] = _id()
    project: Mapped[str]
    capture_id: Mapped[UUID]
    device: Mapped[str]
    sha256: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=text("'open'"))
    priority: Mapped[float]  # smaller comes first: the margin of the prediction; audits spread evenly
    leased_by: Mapped[str | None]
    leased_until: Mapped[datetime | None]
    at: Mapped[datetime] = _created()


class Annotation(Base):
    """One person's answer to one task; taken back rather than deleted."""

    __tablename__ = "annotations"
    __table_args__ = (Index(None, "task_id"), Index(None, "author", "at"))
    id: Mapped[UUID] = _id()
    project: Mapped[str]
    task_id: Mapped[UUID] = mapped_column(ForeignKey("label_tasks.id"))
    author: Mapped[str]
    answer: Mapped[str]  # "label", "unclear", "none" (none of these) or "bad" (bad image)
    label: Mapped[str | None]
    source: Mapped[str]  # "page", "api" or "folder"
    at: Mapped[datetime] = _created()
    undone_at: Mapped[datetime | None]


class GroundTruth(Base):
    """The agreed label of a capture. `label` None: people agreed that it is unusable."""

    __tablename__ = "ground_truth"
    __table_args__ = (Index(None, "project", "at"),)
    capture_id: Mapped[UUID] = mapped_column(primary_key=True)
    project: Mapped[str]
    device: Mapped[str]
    sha256: Mapped[str]
    label: Mapped[str | None]
    author: Mapped[str]
    at: Mapped[datetime] = _created()


# --- trainer ---


class TriggerDecision(Base):
    """Why a training run was asked for, or not yet. A row each time the answer changes."""

    __tablename__ = "trigger_decisions"
    __table_args__ = (Index(None, "project", "at"),)
    id: Mapped[UUID] = _id()
    project: Mapped[str]
    at: Mapped[datetime] = _created()
    train: Mapped[bool]
    reasons: Mapped[list[Any]]


class DatasetVersion(Base):
    """An immutable manifest in S3: which images, labels and split made a model."""

    __tablename__ = "dataset_versions"
    project: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str]
    sha256: Mapped[str]
    counts: Mapped[dict[str, Any]]
    at: Mapped[datetime] = _created()


class TrainingRun(Base):
    """One training. State: `requested`, `running`, `succeeded`, `failed`. One unfinished run per project, beside orders."""

    __tablename__ = "training_runs"
    __table_args__ = (
        Index(
            "uq_training_runs_unfinished",
            "project",
            unique=True,
            postgresql_where=text("state in ('requested', 'running') and manifest is null"),
        ),
    )
    id: Mapped[UUID] = _id()
    project: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=text("'requested'"))
    trigger: Mapped[str]  # "labels", "manual" or "order"
    manifest: Mapped[str | None]  # of an order: the key of its images; else the project's labelled images are gathered
    backbone: Mapped[str | None]  # of an order: which; else the fleet's
    dataset_version: Mapped[int | None]
    model_version: Mapped[int | None]  # the number that its model will have, once it has begun
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    lease: Mapped[UUID | None]  # token of the worker that runs it: every later write is conditional on it
    leased_until: Mapped[datetime | None]
    progress: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    error: Mapped[str | None]
    at: Mapped[datetime] = _created()
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class ModelVersion(Base):
    """A trained model. State: `approved` or `refused` by the gate, with its reasons; `hosted`: ordered, no gate asked."""

    __tablename__ = "model_versions"
    __table_args__ = (UniqueConstraint("run_id"),)
    project: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[UUID] = mapped_column(ForeignKey("training_runs.id"))
    dataset_version: Mapped[int]
    state: Mapped[str]
    reasons: Mapped[list[Any]]
    labels: Mapped[list[Any]]
    files: Mapped[dict[str, Any]]  # name -> {"sha256", "size", "key"}
    at: Mapped[datetime] = _created()


class Evaluation(Base):
    """How a model version did on one part of a dataset version, on the exact files a device runs."""

    __tablename__ = "evaluations"
    project: Mapped[str] = mapped_column(primary_key=True)
    model_version: Mapped[int] = mapped_column(primary_key=True)
    part: Mapped[str] = mapped_column(primary_key=True)  # "field" (golden set) or "base"
    metrics: Mapped[dict[str, Any]]
    outcomes_key: Mapped[str | None]  # JSON lines in S3: every image's outcome
    at: Mapped[datetime] = _created()


class ModelFile(Base):
    """A file of a model, by its hash: what a device may fetch."""

    __tablename__ = "model_files"
    project: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str]
    size: Mapped[int]


# --- deployer ---


class Deployment(Base):
    """One rollout of a model version. State: `running`, `succeeded`, `rolled_back`, `superseded`."""

    __tablename__ = "deployments"
    __table_args__ = (
        Index("uq_deployments_running", "project", unique=True, postgresql_where=text("state = 'running'")),
        Index(
            "uq_deployments_rollout", "project", "model_version", unique=True, postgresql_where=text("kind = 'rollout'")
        ),
        Index(None, "project", "at"),
    )
    id: Mapped[UUID] = _id()
    project: Mapped[str]
    model_version: Mapped[int]
    previous_version: Mapped[int | None]
    kind: Mapped[str]  # "rollout" or "rollback"
    state: Mapped[str] = mapped_column(server_default=text("'running'"))
    stages: Mapped[list[Any]]  # cumulative shares of the fleet, such as [0.25, 1.0]
    stage: Mapped[int] = mapped_column(server_default=text("0"))
    reason: Mapped[str | None]
    at: Mapped[datetime] = _created()
    stage_at: Mapped[datetime] = _created()
    finished_at: Mapped[datetime | None]


class DeploymentDevice(Base):
    """A device in a deployment. State: `waiting`, `sent`, `installed`, `failed`."""

    __tablename__ = "deployment_devices"
    __table_args__ = (
        Index("uq_deployment_devices_current", "project", "device", unique=True, postgresql_where=text("current")),
    )
    deployment_id: Mapped[UUID] = mapped_column(ForeignKey("deployments.id"), primary_key=True)
    device: Mapped[str] = mapped_column(primary_key=True)
    project: Mapped[str]
    stage: Mapped[int]
    current: Mapped[bool] = mapped_column(server_default=text("false"))  # the device follows this deployment
    state: Mapped[str] = mapped_column(server_default=text("'waiting'"))
    reason: Mapped[str | None]
    sent_at: Mapped[datetime | None]  # None: its `desired` is to be published, for the first time or again
    policy: Mapped[int | None]  # the version of the policy in it
    answered_at: Mapped[datetime | None]


# --- custom-labels ---


class HostedDataset(Base):
    """A data set of the Custom Labels API: the TRAIN or TEST set of a project, or of one project version alone.

    Status is AWS's: CREATE_IN_PROGRESS, CREATE_COMPLETE, CREATE_FAILED, UPDATE_…, DELETE_IN_PROGRESS.
    """

    __tablename__ = "hosted_datasets"
    __table_args__ = (
        Index(
            "uq_hosted_datasets_project", "project", "kind", unique=True, postgresql_where=text("version_id is null")
        ),
    )
    id: Mapped[UUID] = _id()
    project: Mapped[str] = mapped_column(ForeignKey("projects.name"))
    kind: Mapped[str]  # "TRAIN" or "TEST"
    version_id: Mapped[UUID | None]  # of a version that brought its own manifests
    status: Mapped[str]
    message: Mapped[str] = mapped_column(server_default=text("''"))
    code: Mapped[str | None]  # SUCCESS, SERVICE_ERROR or CLIENT_ERROR
    tags: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    at: Mapped[datetime] = _created()
    updated_at: Mapped[datetime] = _created()


class HostedEntry(Base):
    """One line of a data set's manifest. The image is in `images` when `sha256` is set and no error stands against it."""

    __tablename__ = "hosted_entries"
    __table_args__ = (Index(None, "dataset_id", "position"),)
    dataset_id: Mapped[UUID] = mapped_column(ForeignKey("hosted_datasets.id", ondelete="cascade"), primary_key=True)
    source_ref: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]  # in the manifest
    line: Mapped[str]  # as it came
    labels: Mapped[list[Any]]  # class names
    sha256: Mapped[str | None]
    errors: Mapped[list[Any]]  # [{"code", "message"}]
    at: Mapped[datetime] = _created()


class HostedChange(Base):
    """Entries that a data set is to take in, and whether it has. Repeating one changes nothing."""

    __tablename__ = "hosted_changes"
    id: Mapped[UUID] = _id()
    dataset_id: Mapped[UUID] = mapped_column(ForeignKey("hosted_datasets.id", ondelete="cascade"))
    kind: Mapped[str]  # "create", "update", "copy" or "distribute"
    source: Mapped[dict[str, Any]]  # {"bucket", "name", "version"} of a manifest, or {"dataset"}
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    at: Mapped[datetime] = _created()
    done_at: Mapped[datetime | None]


class ProjectVersion(Base):
    """A model in the words of the Custom Labels API. Status is AWS's; a fleet's models have a row too, named `v{n}`."""

    __tablename__ = "project_versions"
    __table_args__ = (
        UniqueConstraint("project", "name"),
        Index(None, "run_id"),
        Index(
            "ix_project_versions_alive",
            "status",
            postgresql_where=text("status in ('STARTING', 'RUNNING', 'STOPPING')"),
        ),
    )
    id: Mapped[UUID] = _id()
    project: Mapped[str] = mapped_column(ForeignKey("projects.name"))
    name: Mapped[str]
    status: Mapped[str]
    message: Mapped[str] = mapped_column(server_default=text("''"))
    description: Mapped[str | None]
    run_id: Mapped[UUID | None]
    model_version: Mapped[int | None]  # once trained
    files: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))  # of the model, as in `model_versions`
    threshold: Mapped[float | None]  # FeatureConfig's confidence threshold, 0 to 100
    output: Mapped[dict[str, Any]]  # {"S3Bucket", "S3KeyPrefix"}
    results: Mapped[dict[str, Any]] = mapped_column(
        server_default=text("'{}'")
    )  # what DescribeProjectVersions says of it
    tags: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    kms_key_id: Mapped[str | None]
    source_arn: Mapped[str | None]  # of a copy
    min_units: Mapped[int | None]
    max_units: Mapped[int | None]
    at: Mapped[datetime] = _created()
    trained_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]  # since when it is asked to run
    used_at: Mapped[datetime | None]  # about when it last answered


class ProjectPolicy(Base):
    """A resource policy of a project: who may copy its models."""

    __tablename__ = "project_policies"
    project: Mapped[str] = mapped_column(ForeignKey("projects.name"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    revision: Mapped[str]
    document: Mapped[str]
    at: Mapped[datetime] = _created()
    updated_at: Mapped[datetime] = _created()
