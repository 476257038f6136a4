"""The tables that deployer owns."""

from datetime import datetime
from typing import Any
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
    held_at: Mapped[datetime | None]  # no stage opens until it is approved or resumed
    held_by: Mapped[str | None]  # a user, or states.AUTOMATIC
    held_reason: Mapped[str | None]
    waits_for: Mapped[str | None]  # why the next stage is not open, in words
    looks: Mapped[int] = mapped_column(server_default=text("0"))  # times that the checks were made
    looked_at: Mapped[datetime | None]
    predictions: Mapped[int] = mapped_column(server_default=text("0"))  # of the new model, at the last look
    waived: Mapped[list[str]] = mapped_column(server_default=text("'[]'"))  # checks whose breach a person has accepted
    ended_by: Mapped[str | None]  # of a rollout that was taken back: a user, or states.AUTOMATIC
    reached: Mapped[int | None]  # of a rollout that was taken back: devices with a published order
    restored_at: Mapped[datetime | None]  # of a rollback: when the last of those devices was back, offline ones apart
    announced_at: Mapped[datetime | None]  # when the event of a rollout that was taken back was published over MQTT


class RolloutPolicy(Base):
    """One version of how a project's models are rolled out; the newest counts. Values that are not in it have defaults."""

    __tablename__ = "rollout_policies"
    project: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[dict[str, Any]]
    by: Mapped[str]
    at: Mapped[datetime] = created()


class RolloutDecision(Base):
    """What a person decided about a running rollout."""

    __tablename__ = "rollout_decisions"
    __table_args__ = (Index(None, "deployment_id"),)
    id: Mapped[UUID] = new_id()
    deployment_id: Mapped[UUID] = mapped_column(ForeignKey("deployments.id"))
    project: Mapped[str]
    action: Mapped[states.RolloutAction]
    stage: Mapped[int]  # the open one
    by: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime] = created()


class RolloutBaseline(Base):
    """Counts of a device on the old model at the start of a rollout."""

    __tablename__ = "rollout_baselines"
    deployment_id: Mapped[UUID] = mapped_column(ForeignKey("deployments.id"), primary_key=True)
    device: Mapped[str] = mapped_column(primary_key=True)
    project: Mapped[str]
    before: Mapped[dict[str, Any]]  # of the time before the rollout
    started: Mapped[dict[str, Any]]  # of the hour in which the rollout started, up to its start


class RolloutCheck(Base):
    """One check of a rollout at one look: devices on the new model against those on the old one."""

    __tablename__ = "rollout_checks"
    deployment_id: Mapped[UUID] = mapped_column(ForeignKey("deployments.id"), primary_key=True)
    look: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    project: Mapped[str]
    stage: Mapped[int]
    at: Mapped[datetime] = created()
    new: Mapped[float | None]  # change of the measure on devices with the new model; None without enough data
    old: Mapped[float | None]  # the same on devices with the old model, over the same time
    effect: Mapped[float | None]  # the difference of the two
    threshold: Mapped[float]  # the effect that matters
    p: Mapped[float | None]  # chance of such an effect if the true one were half of the threshold
    level: Mapped[float]  # p below which it counts at this look
    devices: Mapped[int]  # on the new model
    predictions: Mapped[int]  # of the new model
    verdict: Mapped[states.CheckVerdict]
    sentence: Mapped[str]


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
