"""Looks at a rollout: reads what devices counted, makes the checks and stores their verdicts. Nothing here commits."""

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Integer, case, cast, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from deployer import baselines, policies, rules
from deployer.behaviour import audits, checks
from strop_contracts import states, tables

log = structlog.get_logger()

D = tables.Deployment
C = tables.Capture
T = tables.GroundTruth

PAST = timedelta(days=7)
"""How far back labelled audits of the devices with the new model are compared."""


async def take(session: AsyncSession, deployment: D, policy: policies.RolloutPolicy) -> checks.Check | None:
    """Make the checks if a look is due and return the one that found harm, if there is one that is not waived."""
    if not deployment.previous_version or deployment.kind != states.DeploymentKind.ROLLOUT or not policy.soak:
        return None
    now = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    due = rules.look_due(now, deployment.at, deployment.stage_at, deployment.looked_at, policy.soak)
    if not due and not await _completed(session, deployment, policy, now):
        return None
    sample = await _sample(session, deployment, deployment.previous_version)
    limits = checks.Limits(**policy.model_dump(include=set(checks.Limits.__dataclass_fields__)))
    judged = checks.judge(sample, limits, deployment.looks + 1)
    await _store(session, deployment, judged, sample.predictions, now)
    harmful = [each for each in judged if each.verdict == states.CheckVerdict.BREACH]
    return next((each for each in harmful if each.name not in deployment.waived), None)


async def _completed(session: AsyncSession, deployment: D, policy: policies.RolloutPolicy, now: datetime) -> bool:
    """Return whether a stage has soaked and waited for predictions that are there now."""
    if deployment.predictions >= policy.min_predictions or now < deployment.stage_at + timedelta(seconds=policy.soak):
        return False
    return await baselines.predictions(session, deployment) >= policy.min_predictions


async def _sample(session: AsyncSession, deployment: D, previous: int) -> checks.Sample:
    new, old, canaries = await baselines.devices(session, deployment)
    models = [
        await session.get_one(tables.ModelVersion, (deployment.project, version))
        for version in (deployment.model_version, previous)
    ]
    return checks.Sample(
        version=rules.model_name(deployment.model_version),
        previous=rules.model_name(previous),
        new=new,
        old=old,
        labels=set(models[0].labels) & set(models[1].labels),
        labelled=await _audits(session, deployment, previous, canaries),
        evaluated=await _evaluated(session, models[0], previous),
    )


async def _evaluated(session: AsyncSession, model: tables.ModelVersion, previous: int) -> checks.Evaluated | None:
    """Return how both models did on the same images of the gate: those of the field, else the base images."""
    E = tables.Evaluation  # noqa: N806 - a table
    if model.champion != previous:
        return None
    rows = await session.scalars(
        select(E).where(E.project == model.project, E.model_version == model.version, E.champion_right.is_not(None))
    )
    found = {row.part: row for row in rows if row.metrics.images}
    row = found.get(states.EvaluationPart.FIELD) or found.get(states.EvaluationPart.BASE)
    return checks.Evaluated(row.metrics.images, row.metrics.right, row.champion_right or 0) if row else None


async def _audits(session: AsyncSession, deployment: D, previous: int, canaries: Collection[str]) -> audits.Audits:
    """Count the labelled audits of the sampled devices."""
    sampled = select(tables.RolloutBaseline.device).where(tables.RolloutBaseline.deployment_id == deployment.id)
    new, old = rules.model_name(deployment.model_version), rules.model_name(previous)
    canary, since = C.device.in_(canaries), C.at >= deployment.at
    group = case(
        ((C.model == new) & since, "new"),
        ((C.model == old) & canary & ~since, "own_past"),
        ((C.model == old) & ~canary & since, "old"),
    ).label("which")
    rows = await session.execute(
        select(group, func.sum(cast(C.label == T.label, Integer)), func.count())
        .join(T, T.capture_id == C.id)
        .where(C.project == deployment.project, C.device.in_(sampled), C.at >= deployment.at - PAST)
        .where(C.audit, C.model.in_((new, old)), T.label.is_not(None))
        .group_by("which")
    )
    return audits.Audits(**{which: audits.Score(right, total) for which, right, total in rows if which})


async def _store(
    session: AsyncSession, deployment: D, judged: list[checks.Check], predictions: int, now: datetime
) -> None:
    """Store the verdicts. A look without any number is replaced by the next one: it has spent nothing of alpha."""
    table, look = tables.RolloutCheck, deployment.looks + 1
    await session.execute(delete(table).where(table.deployment_id == deployment.id, table.look == look))
    about = {"deployment_id": deployment.id, "project": deployment.project, "stage": deployment.stage, "look": look}
    session.add_all(table(**about, at=now, **asdict(each)) for each in judged)
    spent = any(each.p is not None for each in judged)
    values = {"looks": look if spent else deployment.looks, "looked_at": now, "predictions": predictions}
    await session.execute(update(D).where(D.id == deployment.id).values(**values))
    verdicts = {each.name: str(each.verdict) for each in judged if each.verdict != states.CheckVerdict.WAIT}
    log.info("rollout_checked", project=deployment.project, look=look, predictions=predictions, verdicts=verdicts)
