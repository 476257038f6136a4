"""The tables that router owns."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from strop_contracts import control_quality
from strop_contracts.tables.base import Base, Document, created


class Policy(Base):
    """One version of a project's policy; the newest counts."""

    __tablename__ = "policies"
    project: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[dict[str, Any]]
    at: Mapped[datetime] = created()


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
    at: Mapped[datetime] = created()
    upload: Mapped[bool]
    reason: Mapped[str]
    probability: Mapped[float]  # that a capture like this one would be kept by the device and wanted by the router
    policy: Mapped[int]


class QualityHour(Base):
    """What the devices of one group counted in one hour (UTC) under one model: sums of `usage_hours`; kept 400 days."""

    __tablename__ = "quality_hours"
    project: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    device_group: Mapped[str] = mapped_column(primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    predictions: Mapped[dict[str, Any]]  # {label: ten counts by confidence}
    rejected: Mapped[int]  # of these images, novel to the model


class QualityEstimate(Base):
    """An estimate of what a model gets right in the field, with its 95 % interval. One row an hour; the newest counts."""

    __tablename__ = "quality_estimates"
    __table_args__ = (Index(None, "at"),)
    project: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    measure: Mapped[str] = mapped_column(primary_key=True)  # accuracy, precision or recall
    label: Mapped[str] = mapped_column(primary_key=True)  # '' for all
    device_group: Mapped[str] = mapped_column(primary_key=True)  # '' for all
    at: Mapped[datetime] = mapped_column(primary_key=True)  # the hour in which the window ends
    window_seconds: Mapped[int]
    estimate: Mapped[float]
    low: Mapped[float]
    high: Mapped[float]
    labelled: Mapped[float]  # effective number of labelled audits
    predictions: Mapped[float]  # images that it is about
    free_estimate: Mapped[float | None]  # of accuracy: the mean confidence, without labels


class QualityModel(Base):
    """The state of the test whether a model is worse in the field than in its evaluation."""

    __tablename__ = "quality_models"
    project: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    looks: Mapped[int] = mapped_column(server_default=text("0"))  # tests so far
    degraded_at: Mapped[datetime | None]  # None: it is not, or no longer


class QualityReport(Base):
    """The newest report on a project's field accuracy, and the plan of its audits."""

    __tablename__ = "quality_reports"
    project: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = created()
    report: Mapped[control_quality.Quality] = mapped_column(Document(control_quality.Quality))
    second: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    """{predicted label: share of the audits of each stratum that is sent to labelers}; empty: all are."""
