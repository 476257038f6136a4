"""What devices counted on the old model before a rollout, and since then. Nothing here commits.

Counts are summed by the hour of their receipt, and a rollout starts within an hour: so the counts of that hour up to the start are kept.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta

from sqlalchemy import delete, exists, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from deployer import rules
from deployer.behaviour import counts
from strop_contracts import states, tables

D = tables.Deployment
DD = tables.DeploymentDevice
B = tables.RolloutBaseline
H = tables.UsageHour

HISTORY = timedelta(days=1)
"""How far back the past of a device goes: a day has all times of day."""

SAMPLED = 500
"""Devices of each stage that are compared: more would not make a verdict clearer."""


async def take(session: AsyncSession, deployment: D) -> None:
    """Store the counts of devices on the old model, of those in the sample that have none yet. Without an old model: nothing."""
    if deployment.previous_version is None or deployment.kind != states.DeploymentKind.ROLLOUT:
        return
    if not (devices := await _sampled(session, deployment)):
        return
    old, start = rules.model_name(deployment.previous_version), _hour(deployment.at)
    before = await usage(session, deployment.project, devices, old, deployment.at - HISTORY)
    started = await usage(session, deployment.project, devices, old, start)
    rows = [
        {
            "deployment_id": deployment.id,
            "project": deployment.project,
            "device": device,
            "before": asdict(before[device]),
            "started": asdict(started.get(device, counts.Counts())),
        }
        for device in before
    ]
    if rows:
        await session.execute(insert(B), rows)


async def _sampled(session: AsyncSession, deployment: D) -> list[str]:
    """Return the first devices of each stage, in an arbitrary but fixed order, without those that have a baseline."""
    place = func.row_number().over(partition_by=DD.stage, order_by=func.md5(DD.device + str(deployment.id)))
    placed = select(DD.device, place.label("place")).where(DD.deployment_id == deployment.id).subquery()
    known = exists().where(B.deployment_id == deployment.id, B.device == placed.c.device)
    return list(await session.scalars(select(placed.c.device).where(placed.c.place <= SAMPLED, ~known)))


async def drop(session: AsyncSession, deployment: D) -> None:
    """Delete the counts of a deployment that has ended: its verdicts stay."""
    await session.execute(delete(B).where(B.deployment_id == deployment.id))


async def devices(session: AsyncSession, deployment: D) -> tuple[list[counts.Device], list[counts.Device], set[str]]:
    """Return the sampled devices on the new model and those still on the old one, and the names of the first."""
    on = await _models(session, deployment)
    canaries = {device for device, new in on.items() if new}
    others = on.keys() - canaries
    project, start = deployment.project, _hour(deployment.at)
    names = rules.model_name(deployment.model_version), rules.model_name(deployment.previous_version or 0)
    after = await usage(session, project, canaries, names[0], start)
    since = await usage(session, project, others, names[1], start)
    new, old = [], []
    for row in await session.scalars(select(B).where(B.deployment_id == deployment.id, B.device.in_(on))):
        before, started = counts.Counts(**row.before), counts.Counts(**row.started)
        if row.device in canaries:
            new.append(counts.Device(before, after.get(row.device, counts.Counts())))
        else:
            old.append(counts.Device(before, since.get(row.device, counts.Counts()).minus(started)))
    return new, old, canaries


async def _models(session: AsyncSession, deployment: D) -> dict[str, bool]:
    """Return which sampled devices run the new model (True) or have not received it (False); others are left out."""
    installed = DD.state == states.InstallState.INSTALLED
    rows = select(B.device, installed).join(DD, (DD.deployment_id == B.deployment_id) & (DD.device == B.device))
    wanted = or_(installed, DD.state == states.InstallState.WAITING)
    return dict((await session.execute(rows.where(B.deployment_id == deployment.id, wanted))).all())


async def predictions(session: AsyncSession, deployment: D) -> int:
    """Count the predictions of the new model on the sampled devices."""
    sampled = select(B.device).where(B.deployment_id == deployment.id)
    count = select(func.coalesce(func.sum(H.classified), 0)).where(
        H.project == deployment.project,
        H.device.in_(sampled),
        H.model == rules.model_name(deployment.model_version),
        H.hour >= _hour(deployment.at),
    )
    return int((await session.execute(count)).scalar_one())


async def usage(
    session: AsyncSession, project: str, names: Collection[str], model: str, since: datetime
) -> Mapping[str, counts.Counts]:
    """Return the counts of devices under a model, from the hour of `since` on."""
    rows = await session.execute(
        select(H.device, H.predictions, H.rejected, H.low, H.failed, H.latency).where(
            H.project == project, H.device.in_(names), H.model == model, H.hour >= _hour(since)
        )
    )
    found: dict[str, list[counts.Counts]] = defaultdict(list)
    for device, *values in rows:
        found[device].append(counts.Counts(*values))
    return {device: counts.total(parts) for device, parts in found.items()}


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
