"""The tables that trainer owns."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from strop_contracts import documents, states
from strop_contracts.tables.base import Base, Document, created, new_id


class TriggerDecision(Base):
    """Why a training run was asked for, or not yet. A row each time the answer changes."""

    __tablename__ = "trigger_decisions"
    __table_args__ = (Index(None, "project", "at"),)
    id: Mapped[UUID] = new_id()
    project: Mapped[str]
    at: Mapped[datetime] = created()
    train: Mapped[bool]
    reasons: Mapped[list[str]]


class TriggerCheck(Base):
    """When the trigger of a project is evaluated next. Without a row the answer cannot change until an event arrives."""

    __tablename__ = "trigger_checks"
    __table_args__ = (Index(None, "due_at"),)
    project: Mapped[str] = mapped_column(primary_key=True)
    due_at: Mapped[datetime]


class DatasetVersion(Base):
    """An immutable manifest in S3: which images, labels and split made a model."""

    __tablename__ = "dataset_versions"
    project: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str]
    sha256: Mapped[str]
    counts: Mapped[documents.Counts]
    at: Mapped[datetime] = created()


class TrainingRun(Base):
    """One training. A project has at most one unfinished run, not counting orders."""

    __tablename__ = "training_runs"
    __table_args__ = (
        Index(
            "uq_training_runs_unfinished",
            "project",
            unique=True,
            postgresql_where=text("state in ('requested', 'running') and manifest is null"),
        ),
    )
    id: Mapped[UUID] = new_id()
    project: Mapped[str]
    state: Mapped[states.RunState] = mapped_column(server_default=text("'requested'"))
    trigger: Mapped[states.RunTrigger]
    manifest: Mapped[str | None]  # of an order: the key of its images; else the project's labelled images are gathered
    backbone: Mapped[str | None]  # of an order: which; else the fleet's
    backend: Mapped[str | None]  # requested for this run; else the project's, or the service's
    options: Mapped[dict[str, Any] | None]  # of that backend
    dataset_version: Mapped[int | None]
    model_version: Mapped[int | None]  # the number that its model will have, once it has begun
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    lease: Mapped[UUID | None]  # token of the worker that runs it: every later write is conditional on it
    leased_until: Mapped[datetime | None]
    progress: Mapped[documents.Progress] = mapped_column(Document(documents.Progress), server_default=text("'{}'"))
    error: Mapped[str | None]
    at: Mapped[datetime] = created()
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class TrainingSettings(Base):
    """How the models of a project are trained. Without a row as the service's settings say."""

    __tablename__ = "training_settings"
    project: Mapped[str] = mapped_column(primary_key=True)
    backend: Mapped[str]
    options: Mapped[dict[str, Any]]


class ModelVersion(Base):
    """A trained model, with the verdict of the gate and its reasons."""

    __tablename__ = "model_versions"
    __table_args__ = (UniqueConstraint("run_id"),)
    project: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[UUID] = mapped_column(ForeignKey("training_runs.id"))
    dataset_version: Mapped[int]
    state: Mapped[states.ModelState]
    reasons: Mapped[list[str]]
    labels: Mapped[list[str]]
    files: Mapped[documents.Files] = mapped_column(Document(documents.Files))
    at: Mapped[datetime] = created()


class Evaluation(Base):
    """How a model version did on one part of a dataset version, on the exact files a device runs."""

    __tablename__ = "evaluations"
    project: Mapped[str] = mapped_column(primary_key=True)
    model_version: Mapped[int] = mapped_column(primary_key=True)
    part: Mapped[states.EvaluationPart] = mapped_column(primary_key=True)
    metrics: Mapped[documents.Metrics] = mapped_column(Document(documents.Metrics))
    outcomes_key: Mapped[str | None]  # object with one `documents.Outcome` a line
    at: Mapped[datetime] = created()


class ModelFile(Base):
    """A file of a model, by its hash: what a device may fetch."""

    __tablename__ = "model_files"
    project: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str]
    size: Mapped[int]
