"""The state of a project's rollouts, for the command and the pages."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from strop_contracts import control_rollouts as documents
from strop_contracts import errors, states, tables

D = tables.Deployment
DD = tables.DeploymentDevice
C = tables.RolloutCheck

SHOWN = 5
"""Deployments that are shown."""


async def of(session: AsyncSession, project: str) -> documents.Rollouts:
    """Return the newest deployments of a project; NotFound if there is no such project."""
    await require(session, project)
    newest = await session.scalars(select(D).where(D.project == project).order_by(D.at.desc()).limit(SHOWN))
    return documents.Rollouts(project=project, rollouts=[await describe(session, each) for each in newest])


async def require(session: AsyncSession, project: str) -> None:
    """Raise NotFound if there is no such project."""
    if await session.get(tables.Project, project) is None:
        raise errors.NotFound(f"there is no project {project}")


async def describe(session: AsyncSession, deployment: D) -> documents.Rollout:
    """Return one deployment with its stages, checks and decisions."""
    stages = await _stages(session, deployment)
    copied = ("id", "kind", "state", "reason", "at", "finished_at", "held_by", "held_reason", "waits_for", "ended_by")
    return documents.Rollout(
        **{name: getattr(deployment, name) for name in (*copied, "reached", "predictions")},
        version=deployment.model_version,
        previous=deployment.previous_version,
        stage=deployment.stage + 1,
        stages=stages,
        devices=sum(stage.devices for stage in stages),
        seconds_to_restore=await _seconds_to_restore(session, deployment),
        checks=await _checks(session, deployment),
        decisions=await _decisions(session, deployment),
    )


async def _stages(session: AsyncSession, deployment: D) -> list[documents.RolloutStage]:
    counts = await session.execute(
        select(
            DD.stage,
            func.count(),
            func.count().filter(DD.state == states.InstallState.INSTALLED),
            func.count().filter(DD.state == states.InstallState.FAILED),
        )
        .where(DD.deployment_id == deployment.id)
        .group_by(DD.stage)
    )
    found: dict[int, Sequence[Any]] = {row[0]: row[1:] for row in counts}
    return [
        documents.RolloutStage(
            number=number + 1,
            share=share,
            opened=number <= deployment.stage,
            **dict(zip(("devices", "installed", "failed"), found.get(number, (0, 0, 0)), strict=True)),
        )
        for number, share in enumerate(deployment.stages)
    ]


async def _seconds_to_restore(session: AsyncSession, deployment: D) -> float | None:
    """Return the time from the end of a rollout that was taken back until the rollback had restored its devices."""
    if deployment.state != states.DeploymentState.ROLLED_BACK or deployment.finished_at is None:
        return None
    back = select(D.restored_at).where(
        D.project == deployment.project, D.kind == states.DeploymentKind.ROLLBACK, D.at >= deployment.finished_at
    )
    restored = await session.scalar(back.order_by(D.at).limit(1))
    return (restored - deployment.finished_at).total_seconds() if restored else None


async def _checks(session: AsyncSession, deployment: D) -> list[documents.RolloutCheck]:
    latest = select(C).where(C.deployment_id == deployment.id).ext(distinct_on(C.name))
    names = [name for name in documents.RolloutCheck.model_fields if name != "stage"]
    return [
        documents.RolloutCheck(**{name: getattr(check, name) for name in names}, stage=check.stage + 1)
        for check in await session.scalars(latest.order_by(C.name, C.look.desc()))
    ]


async def _decisions(session: AsyncSession, deployment: D) -> list[documents.RolloutDecision]:
    table = tables.RolloutDecision
    made = await session.scalars(select(table).where(table.deployment_id == deployment.id).order_by(table.at))
    return [
        documents.RolloutDecision(at=each.at, by=each.by, action=each.action, stage=each.stage + 1, reason=each.reason)
        for each in made
    ]
