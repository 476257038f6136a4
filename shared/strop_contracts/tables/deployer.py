"""The tables that deployer owns."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from strop_contracts import states
from strop_contracts.tables.base import Base, created, new_id


class Deployment(Base):
    """One rollout of a model version, or the rollback of one."""

    __tablename__ = "deployments"
    __table_args__ = (
        Index("uq_deployments_running", "project", unique=True, postgresql_where=text("state = 'running'")),
        Index(
            "uq_deployments_rollout", "project", "model_version", unique=True, postgresql_where=text("kind = 'rollout'")
        ),
        Index(None, "project", "at"),
    )
    id: Mapped[UUID] = new_id()
    project: Mapped[str]
    model_version: Mapped[int]
    previous_version: Mapped[int | None]
    kind: Mapped[states.DeploymentKind]
    state: Mapped[states.DeploymentState] = mapped_column(server_default=text("'running'"))
    stages: Mapped[list[float]]  # cumulative shares of the fleet, such as [0.25, 1.0]
    stage: Mapped[int] = mapped_column(server_default=text("0"))
    reason: Mapped[str | None]
    at: Mapped[datetime] = created()
    stage_at: Mapped[datetime] = created()
    finished_at: Mapped[datetime | None]


class DeploymentDevice(Base):
    """A device in a deployment."""

    __tablename__ = "deployment_devices"
    __table_args__ = (
        Index("uq_deployment_devices_current", "project", "device", unique=True, postgresql_where=text("current")),
        Index("ix_deployment_devices_leased", "project", "device", postgresql_where=text("leased_until is not null")),
    )
    deployment_id: Mapped[UUID] = mapped_column(ForeignKey("deployments.id"), primary_key=True)
    device: Mapped[str] = mapped_column(primary_key=True)
    project: Mapped[str]
    stage: Mapped[int]
    current: Mapped[bool] = mapped_column(server_default=text("false"))  # the device follows this deployment
    state: Mapped[states.InstallState] = mapped_column(server_default=text("'waiting'"))
    reason: Mapped[str | None]
    leased_until: Mapped[datetime | None]  # an order is on its way to the device: no other is published until then
    sent_at: Mapped[datetime | None]  # None: its order is to be published, for the first time or again
    policy: Mapped[int | None]  # the version of the policy in it
    answered_at: Mapped[datetime | None]
