"""What the overview of a project reads. Each statement is bounded by an index and a time, or reads one row per device."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from strop_contracts import states, tables

HOURS = 24
"""Hours that are counted: the present one, and those before it."""
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


@dataclass(frozen=True)
class Counts:
    """What is counted over many rows."""

    fleet: Fleet
    flow: Flow
    labels: Labels
    rollout: Rollout | None


async def counts(session: AsyncSession, project: str) -> Counts:
    """Count devices, captures, labels and the progress of the rollout."""
    return Counts(
        await fleet(session, project),
        await flow(session, project),
        await labels(session, project),
        await rollout(session, project),
    )


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
    table, first = tables.Route, _first()
    hour = func.date_trunc("hour", table.at, "UTC")
    rows = await session.execute(
        select(hour, table.upload, table.reason, func.count())
        .where(table.project == project, table.at >= first)
        .group_by(hour, table.upload, table.reason)
    )
    found = [(*row,) for row in rows]
    reasons = Counter[str]()
    for _, upload, reason, number in found:
        reasons[reason] += number if upload else 0
    captures = _by_hour(first, ((at, number) for at, _, _, number in found))
    uploads = _by_hour(first, ((at, number) for at, upload, _, number in found if upload))
    return Flow(captures, uploads, [each for each in reasons.most_common() if each[1]])


async def labels(session: AsyncSession, project: str) -> Labels:
    """Count the open label tasks, and the labels of the last 24 hours."""
    task, truth = tables.LabelTask, tables.GroundTruth
    waiting = select(func.count()).where(task.project == project, task.state == states.TaskState.OPEN)
    first, hour = _first(), func.date_trunc("hour", truth.at, "UTC")
    recent = (
        select(hour, func.count())
        .where(truth.project == project, truth.at >= first, truth.label.is_not(None))
        .group_by(hour)
    )
    done = _by_hour(first, ((row[0], row[1]) for row in await session.execute(recent)))
    return Labels(await session.scalar(waiting) or 0, done)


def _first() -> datetime:
    """Return the begin of the oldest hour: the present one is the last of 24."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)


def _by_hour(first: datetime, rows: Iterable[tuple[datetime, int]]) -> list[int]:
    """Return sums by hour from the first on."""
    counts = [0] * HOURS
    for hour, number in rows:
        counts[min(int((hour - first) / timedelta(hours=1)), HOURS - 1)] += number
    return counts


async def rollout(session: AsyncSession, project: str) -> Rollout | None:
    """Return the newest deployment; None before the first."""
    table, device = tables.Deployment, tables.DeploymentDevice
    newest = select(table).where(table.project == project).order_by(table.at.desc()).limit(1)
    deployment = await session.scalar(newest)
    if deployment is None:
        return None
    installs = select(device.state, func.count()).where(device.deployment_id == deployment.id).group_by(device.state)
    rows = await session.execute(installs)
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
