"""The tables that ingest owns."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from strop_contracts import states
from strop_contracts.tables.base import Base, Document, created
from strop_wire import reports


class Device(Base):
    """An enrolled device (IoT thing) and its latest state."""

    __tablename__ = "devices"
    project: Mapped[str] = mapped_column(ForeignKey("projects.name"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = created()
    seen_at: Mapped[datetime | None]
    model: Mapped[str | None]  # the model version that it reported, as the columns from `agent` on
    device_group: Mapped[str] = mapped_column(server_default=text("''"))  # set by an operator; '' is no group
    alias: Mapped[str | None] = mapped_column(
        unique=True
    )  # set at enrolment: it also serves `/request/classify/{alias}`
    agent: Mapped[str | None]  # version of its software
    errors: Mapped[list[str]] = mapped_column(server_default=text("'[]'"))
    spool_items: Mapped[int] = mapped_column(server_default=text("0"))
    spool_bytes: Mapped[int] = mapped_column(server_default=text("0"))
    dropped: Mapped[dict[str, int]] = mapped_column(server_default=text("'{}'"))  # since its boot, by reason


class DeviceReport(Base):
    """The newest `state` of one boot of a device, without its usage, which is in `device_usage`."""

    __tablename__ = "device_reports"
    project: Mapped[str] = mapped_column(primary_key=True)
    device: Mapped[str] = mapped_column(primary_key=True)
    boot: Mapped[UUID] = mapped_column(primary_key=True)
    sequence: Mapped[int]
    at: Mapped[datetime] = created()
    state: Mapped[reports.State] = mapped_column(Document(reports.State))


class DeviceUsage(Base):
    """The maximum of each count that one boot of a device reported under one model and policy."""

    __tablename__ = "device_usage"
    project: Mapped[str] = mapped_column(primary_key=True)
    device: Mapped[str] = mapped_column(primary_key=True)
    boot: Mapped[UUID] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    policy: Mapped[int] = mapped_column(primary_key=True)
    sequence: Mapped[int]  # the highest of a state that contained them
    at: Mapped[datetime] = created()  # of the last change
    usage: Mapped[reports.Usage] = mapped_column(Document(reports.Usage))


class Counted:
    """What images were counted as, under one model and policy, in a period."""

    classified: Mapped[int]  # images with a result: the sum of `predictions`, and of `latency`
    rejected: Mapped[int]  # of these, novel to the model
    failed: Mapped[int]  # other images: the model gave no valid result
    low: Mapped[int]  # of the classified: kept as uncertain
    high: Mapped[int]  # kept as very confident
    audit: Mapped[int]  # drawn as an audit, whatever the reason
    predictions: Mapped[dict[str, Any]]  # {label: ten counts by confidence}, see `reports.Usage`
    latency: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))  # by the buckets of `reports.LATENCY_MS`


class UsageHour(Counted, Base):
    """What a device counted in reports received in one hour (UTC). Rows are folded into `usage_days` after 8 days."""

    __tablename__ = "usage_hours"
    __table_args__ = (Index(None, "hour"), Index(None, "project", "hour"))
    project: Mapped[str] = mapped_column(primary_key=True)
    device: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    policy: Mapped[int] = mapped_column(primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)  # its begin


class UsageDay(Counted, Base):
    """What the devices of one group counted on one day (UTC): sums of folded rows of `usage_hours`; kept 400 days."""

    __tablename__ = "usage_days"
    project: Mapped[str] = mapped_column(primary_key=True)
    device_group: Mapped[str] = mapped_column(primary_key=True)  # of the device when the row was folded
    model: Mapped[str] = mapped_column(primary_key=True)
    policy: Mapped[int] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)


class Image(Base):
    """The bytes of an image, stored once at `{project}/images/{sha256}`, verified."""

    __tablename__ = "images"
    project: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(primary_key=True)
    size: Mapped[int]
    content_type: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    at: Mapped[datetime] = created()


class Capture(Base):
    """One image a device took and kept, with its prediction. Rows are written once."""

    __tablename__ = "captures"
    __table_args__ = (
        Index(None, "project", "device", "at"),
        Index(None, "project", "sha256"),
        Index("ix_captures_audits", "project", "at", postgresql_where=text("audit")),  # live accuracy reads them
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    project: Mapped[str]
    device: Mapped[str]
    at: Mapped[datetime] = created()
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
    """What became of a capture's image, with the reason of a drop."""

    __tablename__ = "uploads"
    capture_id: Mapped[UUID] = mapped_column(ForeignKey("captures.id"), primary_key=True)
    state: Mapped[states.UploadState]
    reason: Mapped[str | None]
    key: Mapped[str | None]  # where the device shall PUT it
    attempts: Mapped[int] = mapped_column(server_default=text("0"))  # arrivals that did not match the announcement
    at: Mapped[datetime] = created()
    stored_at: Mapped[datetime | None]


class DatasetItem(Base):
    """A labelled image of a base data set, from `{project}/datasets/{dataset}/{split}/{label}/…`; gone when the file is.

    The same content may lie under several labels: the newest place counts, by `placed_at`, then `sequencer`.
    """

    __tablename__ = "dataset_items"
    __table_args__ = (Index(None, "project", "label"),)
    project: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    dataset: Mapped[str]
    split: Mapped[states.Split]
    label: Mapped[str]
    sha256: Mapped[str | None]  # None when the file was refused
    refused: Mapped[str | None]  # why
    at: Mapped[datetime] = created()
    placed_at: Mapped[datetime] = created()  # time of the object in S3, in whole seconds
    sequencer: Mapped[str] = mapped_column(
        server_default=text("''")
    )  # of S3's event, padded: the order within a second
