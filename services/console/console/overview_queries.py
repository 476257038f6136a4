"""What the overview of a project reads. Each statement is bounded by an index and a time, or reads one row per device."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Integer, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from strop_contracts import states, tables

WINDOW = timedelta(hours=24)
HOURS = 24
FRESH = timedelta(hours=1)
"""A device whose last state report is older counts as silent."""

EVENTS = 8
"""Rows of the list of what happened last."""


@dataclass(frozen=True)
class Fleet:
    """The devices of a project."""

    devices: int
    fresh: int  # reported within `FRESH`
    never: int  # never reported
    errors: int  # reported errors
    losing: int  # lost images since their boot
    spooled: int  # images in their spools
    models: Sequence[tuple[str, int]]  # devices by the model that they run, most first; "" without one


@dataclass(frozen=True)
class Flow:
    """Captures of the last 24 hours, by hour, the oldest first."""

    captures: Sequence[int]
    uploads: Sequence[int]
    reasons: Sequence[tuple[str, int]] = field(default=())  # of the uploads, most first


@dataclass(frozen=True)
class Labels:
    waiting: int
    done: Sequence[int]  # by hour, as in `Flow`


@dataclass(frozen=True)
class Rollout:
    """The newest deployment, with its devices by state of the installation."""

    deployment: tables.Deployment
    devices: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.devices.values())

    @property
    def installed(self) -> int:
        return self.devices.get(states.InstallState.INSTALLED, 0)


async def fleet(session: AsyncSession, project: str) -> Fleet:
    """Count the devices by model and by the age of their last report."""
    table = tables.Device
    model, count = func.coalesce(table.model, ""), func.count()
    rows = await session.execute(
        select(
            model,
            count,
            count.filter(table.seen_at > func.now() - FRESH),
            count.filter(table.seen_at.is_(None)),
            count.filter(table.errors != []),
            count.filter(table.dropped != {}),
            func.coalesce(func.sum(table.spool_items), 0),
        )
        .where(table.project == project)
        .group_by(model)
        .order_by(count.desc(), model)
    )
    found = rows.all()
    models = [(row[0], row[1]) for row in found]
    devices, fresh, never, errors, losing, spooled = (sum(int(row[place]) for row in found) for place in range(1, 7))
    return Fleet(devices, fresh, never, errors, losing, spooled, models)


async def flow(session: AsyncSession, project: str) -> Flow:
    """Count what the router decided in the last 24 hours."""
    table = tables.Route
    hour, count = _hour(table.at), func.count()
    rows = await session.execute(
        select(hour, table.upload, table.reason, count)
        .where(table.project == project, table.at > func.now() - WINDOW)
        .group_by(hour, table.upload, table.reason)
    )
    captures, uploads, reasons = [0] * HOURS, [0] * HOURS, dict[str, int]()
    for age, upload, reason, number in rows:
        captures[HOURS - 1 - age] += number
        if upload:
            uploads[HOURS - 1 - age] += number
            reasons[reason] = reasons.get(reason, 0) + number
    return Flow(captures, uploads, sorted(reasons.items(), key=lambda each: (-each[1], each[0])))


async def labels(session: AsyncSession, project: str) -> Labels:
    """Count the open label tasks, and the labels of the last 24 hours."""
    task, truth = tables.LabelTask, tables.GroundTruth
    waiting = select(func.count()).where(task.project == project, task.state == states.TaskState.OPEN)
    hour = _hour(truth.at)
    recent = (
        select(hour, func.count())
        .where(truth.project == project, truth.at > func.now() - WINDOW, truth.label.is_not(None))
        .group_by(hour)
    )
    done = [0] * HOURS
    for age, number in await session.execute(recent):
        done[HOURS - 1 - age] += number
    return Labels(await session.scalar(waiting) or 0, done)


def _hour(at: Any) -> Any:
    """Return the age of a time in whole hours, at most 23."""
    age = func.floor(func.extract("epoch", func.now() - at) / 3600)
    return func.least(func.greatest(cast(age, Integer), 0), HOURS - 1)


async def rollout(session: AsyncSession, project: str) -> Rollout | None:
    """Return the newest deployment; None before the first."""
    table, device = tables.Deployment, tables.DeploymentDevice
    newest = select(table).where(table.project == project).order_by(table.at.desc()).limit(1)
    deployment = await session.scalar(newest)
    if deployment is None:
        return None
    counts = select(device.state, func.count()).where(device.deployment_id == deployment.id).group_by(device.state)
    rows = await session.execute(counts)
    return Rollout(deployment, {row[0]: row[1] for row in rows})


async def champion(session: AsyncSession, project: str) -> int | None:
    """Return the model to beat, as the trainer chooses it: of the newest deployment that succeeded, else the newest approved."""
    deployment, model = tables.Deployment, tables.ModelVersion
    deployed = (
        select(deployment.model_version)
        .where(deployment.project == project, deployment.state == states.DeploymentState.SUCCEEDED)
        .order_by(deployment.at.desc())
    )
    approved = (
        select(model.version)
        .where(model.project == project, model.state == states.ModelState.APPROVED)
        .order_by(model.version.desc())
    )
    return await session.scalar(deployed.limit(1)) or await session.scalar(approved.limit(1))


async def newest_model(session: AsyncSession, project: str) -> tables.ModelVersion | None:
    """Return the newest model that was made for the fleet; None before the first."""
    table = tables.ModelVersion
    made = select(table).where(table.project == project, table.state != states.ModelState.HOSTED)
    newest: tables.ModelVersion | None = await session.scalar(made.order_by(table.version.desc()).limit(1))
    return newest


@dataclass(frozen=True)
class Event:
    """Something that happened to the models of a project."""

    at: datetime
    text: str
    reason: str
    version: int | None
    bad: bool = False


async def events(session: AsyncSession, project: str) -> list[Event]:
    """Return the latest events of trainings, models and deployments, the newest first."""
    every = [*await _runs(session, project), *await _models(session, project), *await _deployments(session, project)]
    return sorted(every, key=lambda one: one.at, reverse=True)[:EVENTS]


async def _runs(session: AsyncSession, project: str) -> list[Event]:
    table = tables.TrainingRun
    failed = select(table).where(table.project == project, table.state == states.RunState.FAILED)
    rows = await session.scalars(failed.order_by(table.at.desc()).limit(EVENTS))
    return [Event(row.finished_at or row.at, "Training failed", row.error or "", None, bad=True) for row in rows]


async def _models(session: AsyncSession, project: str) -> list[Event]:
    table = tables.ModelVersion
    made = select(table.at, table.version, table.state, table.reasons, table.decided_by).where(
        table.project == project, table.state != states.ModelState.HOSTED
    )
    rows = await session.execute(made.order_by(table.version.desc()).limit(EVENTS))
    return [
        Event(
            row.at,
            f"v{row.version} {row.state}{f' by {row.decided_by}' if row.decided_by else ''}",
            "; ".join(row.reasons),
            row.version,
            row.state == states.ModelState.REFUSED,
        )
        for row in rows
    ]


async def _deployments(session: AsyncSession, project: str) -> list[Event]:
    table = tables.Deployment
    rows = await session.scalars(select(table).where(table.project == project).order_by(table.at.desc()).limit(EVENTS))
    return [
        Event(
            row.finished_at or row.at,
            f"{str(row.kind).capitalize()} of v{row.model_version} {row.state.replace('_', ' ')}",
            row.reason or "",
            row.model_version,
            row.state == states.DeploymentState.ROLLED_BACK,
        )
        for row in rows
    ]
