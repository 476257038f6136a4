"""The tables that router owns."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from strop_contracts.tables.base import Base, created


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
