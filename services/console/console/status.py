"""What exists in each project, what is queued, and what failed: the status for operators."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import RowMapping, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from console import models
from strop import app, deadletters
from strop_contracts import control, states, tables, topology

_PROJECTS = text(
    """
    select p.name,
           (select count(*) from devices d where d.project = p.name) as devices,
           (select count(*) from captures c where c.project = p.name) as captures,
           (select count(*) from routes r where r.project = p.name and r.upload) as wanted,
           (select count(*) from routes r where r.project = p.name and not r.upload) as declined,
           (select count(*) from uploads u join captures c on c.id = u.capture_id
            where c.project = p.name and u.state = 'stored') as images,
           (select count(*) from uploads u join captures c on c.id = u.capture_id
            where c.project = p.name and u.state = 'dropped' and not exists
            (select 1 from routes r where r.capture_id = u.capture_id and not r.upload)) as "images lost or refused",
           (select count(*) from label_tasks t where t.project = p.name and t.state = 'open') as "to label",
           (select count(*) from ground_truth g where g.project = p.name and g.label is not null) as labels,
           (select count(*) from dataset_items i where i.project = p.name and i.refused is null) as "base images",
           (select count(*) from (select 1 from dataset_items i where i.project = p.name and i.sha256 is not null
            group by i.sha256 having count(distinct i.label) > 1) several) as "base images under several labels",
           (select count(*) from model_versions m where m.project = p.name) as models
    from projects p order by p.name
    """
)

# Of the newest thousand that were wanted: an index leads to these, however many there are.
_WAIT = text(
    """
    select percentile_disc(0.95) within group (order by extract(epoch from t.at - c.at))
    from (select capture_id from routes where project = :project and upload order by at desc limit 1000) newest
    join label_tasks t on t.capture_id = newest.capture_id
    join captures c on c.id = newest.capture_id
    """
)

# Only devices that are still enrolled hold a stage.
_SILENT = text(
    """
    select d.name, d.seen_at from deployment_devices dd
    join devices d on d.project = dd.project and d.name = dd.device
    where dd.deployment_id = :deployment and dd.stage <= :stage and dd.state in ('waiting', 'sent')
    order by d.seen_at nulls first, d.name
    """
)
_NAMED = 5  # devices that are named


async def status(runtime: app.Runtime) -> control.Status:
    """Return the status of all projects and services."""
    async with runtime.sessions() as session:
        projects = [await project(session, row) for row in (await session.execute(_PROJECTS)).mappings()]
        unsent = await session.scalar(text("select count(*) from outbox"))
        letters = await deadletters.count_open(session)
    return control.Status(projects=projects, services=await _services(runtime, letters), unsent=unsent or 0)


async def _services(runtime: app.Runtime, letters: dict[str, int]) -> list[control.ServiceStatus]:
    """Count queued messages and dead letters by service; `letters` are those that are rows already."""
    waiting = [
        sum([await runtime.queues.depth(queue) for queue in topology.queues(each)]) for each in topology.SERVICES
    ]
    unread = await asyncio.gather(*(runtime.queues.depth(topology.dead_letter(each)) for each in topology.SERVICES))
    return [
        control.ServiceStatus(name=name, waiting=messages, dead=letters.get(name, 0) + new)
        for name, messages, new in zip(topology.SERVICES, waiting, unread, strict=True)
    ]


async def project(session: AsyncSession, row: RowMapping) -> control.ProjectStatus:
    """Return the figures of a project by their names; `row` is one of `_PROJECTS`."""
    name = row["name"]
    figures = {figure: str(count) for figure, count in row.items() if figure != "name"}
    if (wait := await session.scalar(_WAIT, {"project": name})) is not None:
        figures["arrival to task, p95 of the newest 1,000"] = f"{wait:.1f} s"
    figures["training"] = await models.last_training(session, name) or "none yet"
    figures["deployment"] = await _deployment(session, name)
    return control.ProjectStatus(name=name, figures=figures | dict(await _hosted(session, name)))


async def _hosted(session: AsyncSession, project: str) -> list[tuple[str, str]]:
    """Return the data sets and versions of the project in the Custom Labels API."""
    entries = select(func.count()).where(tables.HostedEntry.dataset_id == tables.HostedDataset.id).scalar_subquery()
    sets = select(tables.HostedDataset.kind, entries).where(
        tables.HostedDataset.project == project, tables.HostedDataset.version_id.is_(None)
    )
    versions = select(tables.ProjectVersion).where(tables.ProjectVersion.project == project)
    return [
        *((f"{kind.lower()} set", f"{count} images") for kind, count in await session.execute(sets)),
        *(
            (f"version {each.name}", each.status)
            for each in await session.scalars(versions.order_by(tables.ProjectVersion.at))
        ),
    ]


async def _deployment(session: AsyncSession, project: str) -> str:
    newest = select(tables.Deployment).where(tables.Deployment.project == project)
    deployment = await session.scalar(newest.order_by(tables.Deployment.at.desc()).limit(1))
    if deployment is None:
        return "none yet"
    rows = await session.execute(_SILENT, {"deployment": deployment.id, "stage": deployment.stage})
    return rollout(deployment, [(name, seen_at) for name, seen_at in rows])


def rollout(deployment: tables.Deployment, silent: Sequence[tuple[str, datetime | None]]) -> str:
    """Return the progress of a deployment; `silent` are the devices it waits for, each with its last state report."""
    name = f"v{deployment.model_version}"
    if deployment.state != states.DeploymentState.RUNNING:
        return f"{name} {deployment.state.replace('_', ' ')}"
    stage = f"{name} stage {deployment.stage + 1} of {len(deployment.stages)}"
    if not silent:
        return f"{stage}: all devices have answered"
    waited = [f"{device} ({f'seen {at:%Y-%m-%d %H:%M}' if at else 'never seen'})" for device, at in silent[:_NAMED]]
    more = f" and {len(silent) - _NAMED} more" if len(silent) > _NAMED else ""
    return f"{stage}: waiting for {', '.join(waited)}{more}"
