"""What the deployer reads and writes in Postgres. Nothing here commits.

`deployment_devices.current` marks the one deployment a device follows: the newest whose stage has reached it.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from deployer import rules
from strop import db
from strop_contracts import states, tables

D = tables.Deployment
DD = tables.DeploymentDevice


async def lock(session: AsyncSession, project: str) -> None:
    """Let one transaction at a time change the deployments of a project; freed at its end."""
    await db.lock(session, f"deployments of {project}")


# --- deployments ---


async def running(session: AsyncSession, project: str) -> D | None:
    return await session.scalar(select(D).where(D.project == project, D.state == states.DeploymentState.RUNNING))


async def newest_succeeded(session: AsyncSession, project: str) -> D | None:
    """The deployment of the project's current model."""
    finished = select(D).where(D.project == project, D.state == states.DeploymentState.SUCCEEDED)
    return await session.scalar(finished.order_by(D.at.desc()).limit(1))


async def rollouts(session: AsyncSession, project: str) -> set[int]:
    """The model versions that have had their rollout, whatever came of it."""
    return set(
        await session.scalars(
            select(D.model_version).where(D.project == project, D.kind == states.DeploymentKind.ROLLOUT)
        )
    )


async def outcomes(session: AsyncSession, project: str) -> dict[int, str]:
    """State of the latest deployment of each model version."""
    latest = select(D.model_version, D.state).where(D.project == project).ext(distinct_on(D.model_version))
    return dict((await session.execute(latest.order_by(D.model_version, D.at.desc()))).all())


async def model(session: AsyncSession, project: str, version: int) -> tables.ModelVersion | None:
    return await session.get(tables.ModelVersion, (project, version))


async def create(
    session: AsyncSession,
    project: str,
    version: int,
    *,
    kind: states.DeploymentKind,
    shares: Sequence[float],
    previous: int | None,
    state: states.DeploymentState = states.DeploymentState.RUNNING,
    reason: str | None = None,
) -> D:
    """Insert a deployment. Its time is taken under the project's lock, so times order deployments."""
    now = func.clock_timestamp()
    deployment = D(
        project=project,
        model_version=version,
        previous_version=previous,
        kind=kind,
        state=state,
        stages=list(shares),
        stage=0,
        reason=reason,
        at=now,
        stage_at=now,
        finished_at=None if state == states.DeploymentState.RUNNING else now,
    )
    session.add(deployment)
    await session.flush()
    return deployment


async def end(session: AsyncSession, deployment: D, state: str, reason: str | None = None) -> None:
    finished = func.coalesce(D.finished_at, func.clock_timestamp())
    await session.execute(
        update(D).where(D.id == deployment.id).values(state=state, reason=reason or D.reason, finished_at=finished)
    )


async def set_stage(session: AsyncSession, deployment: D, stage: int, waits_for: str | None = None) -> None:
    """Set the open stage; its clock starts anew."""
    opened = {"stage": stage, "stage_at": func.clock_timestamp(), "waits_for": waits_for}
    await session.execute(update(D).where(D.id == deployment.id).values(**opened))


async def wait_for(session: AsyncSession, deployment: D, waits_for: str | None) -> None:
    """Note why the next stage is not open."""
    if waits_for != deployment.waits_for:
        await session.execute(update(D).where(D.id == deployment.id).values(waits_for=waits_for))


async def next_stage(session: AsyncSession, deployment: D) -> int | None:
    """Return the next stage that has devices, else the last one; None when the last is open."""
    last = len(deployment.stages) - 1
    later = select(func.min(DD.stage)).where(DD.deployment_id == deployment.id, DD.stage > deployment.stage)
    return None if deployment.stage == last else (await session.scalar(later) or last)


async def hold(session: AsyncSession, deployment: D, by: str, reason: str) -> None:
    """Mark a deployment as held."""
    held = {"held_at": func.clock_timestamp(), "held_by": by, "held_reason": reason, "waits_for": None}
    await session.execute(update(D).where(D.id == deployment.id).values(**held))


async def taken_back(session: AsyncSession, deployment: D, by: str) -> int:
    """Record who took a deployment back; returns how many devices its orders had reached."""
    orders = select(func.count()).where(DD.deployment_id == deployment.id, DD.state != states.InstallState.WAITING)
    reached = (await session.execute(orders)).scalar_one()
    await session.execute(update(D).where(D.id == deployment.id).values(ended_by=by, reached=reached))
    return reached


async def announced(session: AsyncSession, deployment_id: UUID) -> None:
    """Note that the end of a deployment was published."""
    await session.execute(update(D).where(D.id == deployment_id).values(announced_at=func.clock_timestamp()))


async def unrestored(session: AsyncSession) -> list[tuple[UUID, str]]:
    """Rollbacks that have not restored the devices which the model taken back had reached, with their projects."""
    rows = select(D.id, D.project).where(
        D.kind == states.DeploymentKind.ROLLBACK,
        D.restored_at.is_(None),
        D.state.in_((states.DeploymentState.RUNNING, states.DeploymentState.SUCCEEDED)),
    )
    return [(each.id, each.project) for each in await session.execute(rows)]


async def note_restored(session: AsyncSession, rollback: UUID, online_window: float) -> None:
    """Store when the last device that the model had reached was back; offline devices are not waited for."""
    back, bad = aliased(DD), aliased(DD)
    taken = (
        select(D.id)
        .where(D.project == select(D.project).where(D.id == rollback).scalar_subquery())
        .where(
            D.state == states.DeploymentState.ROLLED_BACK, D.at < select(D.at).where(D.id == rollback).scalar_subquery()
        )
        .order_by(D.at.desc())
        .limit(1)
        .scalar_subquery()
    )
    installed = back.state == states.InstallState.INSTALLED
    pending = ~installed & tables.Device.seen_at.is_not(None) & _online(online_window)
    found = (
        await session.execute(
            select(func.count(), func.count().filter(pending), func.max(back.answered_at).filter(installed))
            .join(bad, and_(bad.device == back.device, bad.deployment_id == taken))
            .join(tables.Device, and_(tables.Device.project == back.project, tables.Device.name == back.device))
            .where(back.deployment_id == rollback, bad.state != states.InstallState.WAITING)
        )
    ).one()
    reached, missing, last = found
    if not missing and (last or not reached):
        await session.execute(update(D).where(D.id == rollback).values(restored_at=func.coalesce(last, D.at)))


# --- devices of a deployment ---


async def devices(session: AsyncSession, project: str) -> list[str]:
    return list(await session.scalars(select(tables.Device.name).where(tables.Device.project == project)))


async def online(session: AsyncSession, project: str, window: float) -> set[str]:
    """Devices of the project that were seen within the window (seconds)."""
    found = select(tables.Device.name).where(tables.Device.project == project, _online(window))
    return set(await session.scalars(found))


async def missing(session: AsyncSession, deployment: D) -> list[str]:
    """Devices of the project that are not in the deployment yet."""
    known = exists().where(DD.deployment_id == deployment.id, DD.device == tables.Device.name)
    found = select(tables.Device.name).where(tables.Device.project == deployment.project, ~known)
    return list(await session.scalars(found))


async def empty(session: AsyncSession, deployment: D) -> bool:
    return not await session.scalar(select(exists().where(DD.deployment_id == deployment.id)))


async def strays(session: AsyncSession, project: str) -> list[str]:
    """Devices that follow no deployment."""
    following = exists().where(DD.project == project, DD.device == tables.Device.name, DD.current)
    return list(await session.scalars(select(tables.Device.name).where(tables.Device.project == project, ~following)))


async def enlist(session: AsyncSession, deployment: D, stages: Mapping[str, int], *, current: bool = False) -> None:
    """Add devices, each with its stage; `current` when they follow the deployment at once."""
    shared = {"deployment_id": deployment.id, "project": deployment.project, "current": current}
    if rows := [{**shared, "device": device, "stage": stage} for device, stage in stages.items()]:
        await session.execute(insert(DD), rows)


async def follow(session: AsyncSession, deployment: D, stage: int) -> None:
    """From now on the devices of the stages up to this one follow the deployment."""
    reached = select(DD.device).where(DD.deployment_id == deployment.id, DD.stage <= stage)
    elsewhere = (DD.project == deployment.project, DD.current, DD.deployment_id != deployment.id)
    await session.execute(update(DD).where(*elsewhere, DD.device.in_(reached)).values(current=False))
    await session.execute(
        update(DD).where(DD.deployment_id == deployment.id, DD.stage <= stage, ~DD.current).values(current=True)
    )


async def bring_forward(session: AsyncSession, deployment: D, count: int, online_window: float) -> None:
    """Move online devices of later stages into the open one."""
    chosen = (
        select(DD.device)
        .join(tables.Device, is_device())
        .where(DD.deployment_id == deployment.id, DD.stage > deployment.stage, _online(online_window))
        .order_by(DD.stage, DD.device)
        .limit(count)
    )
    await session.execute(
        update(DD)
        .where(DD.deployment_id == deployment.id, DD.device.in_(chosen.scalar_subquery()))
        .values(stage=deployment.stage)
    )


async def progress(session: AsyncSession, deployment: D, online_window: float) -> rules.Progress:
    opened = DD.stage <= deployment.stage
    online = func.coalesce(_online(online_window), False)

    def count(*which: Any) -> Any:
        return func.count().filter(and_(*which))

    counts = await session.execute(
        select(
            count(opened, DD.state == states.InstallState.WAITING).label("unsent"),
            count(opened, DD.state == states.InstallState.INSTALLED).label("installed"),
            count(opened, DD.state == states.InstallState.FAILED).label("failed"),
            count(opened, DD.state == states.InstallState.SENT, online).label("online"),
            count(opened, DD.state == states.InstallState.SENT, ~online).label("absent"),
            count(~opened, online).label("reserve"),
            func.extract("epoch", func.clock_timestamp() - deployment.stage_at).label("age"),
        )
        .join(tables.Device, is_device())
        .where(DD.deployment_id == deployment.id)
    )
    found = counts.one()._asdict() | {
        "last": deployment.stage == len(deployment.stages) - 1,
        "rollback": deployment.kind == states.DeploymentKind.ROLLBACK,
    }
    return rules.Progress(**{**found, "age": float(found["age"])})


async def unsettled(session: AsyncSession) -> list[str]:
    """Projects to look at: a deployment runs, or there is a current model and a device that follows nothing."""
    stray = exists().where(
        tables.Device.project == D.project,
        ~exists().where(DD.project == tables.Device.project, DD.device == tables.Device.name, DD.current),
    )
    wanted = or_(D.state == states.DeploymentState.RUNNING, and_(D.state == states.DeploymentState.SUCCEEDED, stray))
    return list(await session.scalars(select(D.project).where(wanted).distinct().order_by(D.project)))


def is_device() -> ColumnElement[bool]:
    """Join a deployment's row of a device with the device."""
    return and_(tables.Device.project == DD.project, tables.Device.name == DD.device)


def _online(window: float) -> Any:
    return tables.Device.seen_at > func.clock_timestamp() - seconds(window)


async def withdraw(session: AsyncSession, deployment: D) -> None:
    """Withdraw the orders of a deployment's devices: no other model takes the place of this one."""
    await session.execute(update(DD).where(DD.deployment_id == deployment.id, DD.current).values(sent_at=None))


def seconds(number: float) -> ColumnElement[timedelta]:
    return func.make_interval(0, 0, 0, 0, 0, 0, number)


# --- answers ---


async def followed(session: AsyncSession, project: str, device: str) -> tuple[D, DD] | None:
    """The deployment a device follows, and the device's row in it, locked."""
    mine = (
        select(D, DD).join(DD, DD.deployment_id == D.id).where(DD.project == project, DD.device == device, DD.current)
    )
    return (await session.execute(mine.with_for_update(of=DD))).first()
