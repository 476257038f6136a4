"""The tables that custom-labels owns."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from strop_contracts import documents, states
from strop_contracts.tables.base import Base, Document, created, new_id


class Project(Base):
    """A fleet with one job: one set of labels, one model."""

    __tablename__ = "projects"
    name: Mapped[str] = mapped_column(primary_key=True)
    tags: Mapped[documents.Tags] = mapped_column(server_default=text("'{}'"))
    deletion_id: Mapped[UUID | None]  # set once it is deleted; the row stays until every service has cleared its part
    uncleared: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))  # services that have not answered yet
    at: Mapped[datetime] = created()


class HostedDataset(Base):
    """A data set of the Custom Labels API: the TRAIN or TEST set of a project, or of one project version alone."""

    __tablename__ = "hosted_datasets"
    __table_args__ = (
        Index(
            "uq_hosted_datasets_project", "project", "kind", unique=True, postgresql_where=text("version_id is null")
        ),
    )
    id: Mapped[UUID] = new_id()
    project: Mapped[str] = mapped_column(ForeignKey("projects.name"))
    kind: Mapped[states.DatasetKind]
    version_id: Mapped[UUID | None]  # of a version that brought its own manifests
    status: Mapped[states.DatasetStatus]
    message: Mapped[str] = mapped_column(server_default=text("''"))
    code: Mapped[states.DatasetCode | None]
    tags: Mapped[documents.Tags] = mapped_column(server_default=text("'{}'"))
    at: Mapped[datetime] = created()
    updated_at: Mapped[datetime] = created()


class HostedEntry(Base):
    """One line of a data set's manifest. The image is in `hosted_images` if `sha256` is set."""

    __tablename__ = "hosted_entries"
    __table_args__ = (Index(None, "dataset_id", "position"),)
    dataset_id: Mapped[UUID] = mapped_column(ForeignKey("hosted_datasets.id", ondelete="cascade"), primary_key=True)
    source_ref: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]  # in the manifest
    line: Mapped[str]  # as it came
    labels: Mapped[list[str]]
    sha256: Mapped[str | None]
    errors: Mapped[list[documents.LineError]] = mapped_column(JSONB)
    at: Mapped[datetime] = created()


class HostedImage(Base):
    """An image of a hosted data set, stored once at `{project}/images/{sha256}`, verified."""

    __tablename__ = "hosted_images"
    project: Mapped[str] = mapped_column(ForeignKey("projects.name"), primary_key=True)
    sha256: Mapped[str] = mapped_column(primary_key=True)
    size: Mapped[int]
    content_type: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    at: Mapped[datetime] = created()


class HostedChange(Base):
    """A requested change of a data set's entries, and its state. Idempotent."""

    __tablename__ = "hosted_changes"
    id: Mapped[UUID] = new_id()
    dataset_id: Mapped[UUID] = mapped_column(ForeignKey("hosted_datasets.id", ondelete="cascade"))
    kind: Mapped[states.ChangeKind]
    source: Mapped[documents.ChangeSource] = mapped_column(JSONB)
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    at: Mapped[datetime] = created()
    done_at: Mapped[datetime | None]


class ProjectVersion(Base):
    """A model in the words of the Custom Labels API; a fleet's models have a row too, named `v{n}`."""

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
    id: Mapped[UUID] = new_id()
    project: Mapped[str] = mapped_column(ForeignKey("projects.name"))
    name: Mapped[str]
    status: Mapped[states.VersionStatus]
    message: Mapped[str] = mapped_column(server_default=text("''"))
    description: Mapped[str | None]
    run_id: Mapped[UUID | None]
    model_version: Mapped[int | None]  # once trained
    files: Mapped[documents.Files] = mapped_column(Document(documents.Files), server_default=text("'{}'"))
    threshold: Mapped[float | None]  # FeatureConfig's confidence threshold, 0 to 100
    output: Mapped[documents.OutputConfig] = mapped_column(JSONB)
    results: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))  # for DescribeProjectVersions
    tags: Mapped[documents.Tags] = mapped_column(server_default=text("'{}'"))
    kms_key_id: Mapped[str | None]
    source_arn: Mapped[str | None]  # of a copy
    min_units: Mapped[int | None]
    max_units: Mapped[int | None]
    at: Mapped[datetime] = created()
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
    at: Mapped[datetime] = created()
    updated_at: Mapped[datetime] = created()
