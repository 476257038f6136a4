"""How far the loop is, read from the tables. Each question answers with a note once it is so, else None."""

from typing import Any

from sqlalchemy import func, select, text

from strop import app
from strop_contracts import documents, errors, states, tables
from strop_devstack.demo.fleet import Figures

_FIGURES = text(
    """
    select (select count(*) from captures where project = :p) as captures,
           (select count(*) from routes where project = :p and upload) as wanted,
           (select count(*) from uploads u join captures c on c.id = u.capture_id where c.project = :p and u.state = 'stored') as stored,
           (select count(*) from label_tasks where project = :p and state = 'open') as open_tasks,
           (select count(*) from ground_truth where project = :p and label is not null) as labels
    """
)

_UNSETTLED = text(
    """
    select count(*) from captures c left join uploads u on u.capture_id = c.id
    where c.project = :p and (u.state is null or u.state not in ('stored', 'dropped')
      or (u.state = 'stored' and not exists (select 1 from label_tasks t where t.capture_id = c.id)))
    """
)


class Wrong(errors.StropError):
    """The loop took another turn than the demo needs."""


async def counts(runtime: app.Runtime, project: str) -> dict[str, int]:
    async with runtime.sessions() as session:
        return dict((await session.execute(_FIGURES, {"p": project})).mappings().one())


async def _running(runtime: app.Runtime, project: str) -> str:
    """How many devices run which model, by their own word."""
    device = tables.Device
    grouped = select(device.model, func.count()).where(device.project == project).group_by(device.model)
    async with runtime.sessions() as session:
        found = (await session.execute(grouped.order_by(device.model))).all()
    return ", ".join(f"{count} on {model or 'no model'}" for model, count in found)


async def figures(runtime: app.Runtime, project: str, fleet: Figures) -> dict[str, str]:
    """What the live view shows."""
    found = await counts(runtime, project)
    async with runtime.sessions() as session:
        newest = (await session.scalars(_runs(project).limit(1))).first()
    training = f"{newest.state} {newest.progress.words}".strip() if newest else "not yet"
    return {
        "images classified": f"{fleet.classified:,}",
        "captures kept and announced": f"{found['captures']:,}   images asked for {found['wanted']:,}, stored {found['stored']:,}",
        "labels": f"{found['labels']:,}   waiting {found['open_tasks']:,}",
        "training": training,
        "devices": await _running(runtime, project),
    }


def _runs(project: str) -> Any:
    return (
        select(tables.TrainingRun).where(tables.TrainingRun.project == project).order_by(tables.TrainingRun.at.desc())
    )


async def trained(runtime: app.Runtime, project: str, version: int) -> str | None:
    async with runtime.sessions() as session:
        run = (await session.scalars(_runs(project).limit(1))).first()
        if run and run.state == states.RunState.FAILED:
            raise Wrong(f"training failed: {run.error}")
        model = await session.get(tables.ModelVersion, (project, version))
    return f"v{version} {model.state}: {'; '.join(model.reasons)}" if model else None


async def triggered(runtime: app.Runtime, project: str) -> str | None:
    """Whether a second training run was asked for."""
    async with runtime.sessions() as session:
        runs = list(await session.scalars(_runs(project)))
    found = await counts(runtime, project)
    by = {
        states.RunTrigger.LABELS: "by themselves",
        states.RunTrigger.MANUAL: "by hand: too few labels for the trigger",
    }
    return f"{found['labels']} labels asked for a training {by[runs[0].trigger]}" if len(runs) > 1 else None


async def idle(runtime: app.Runtime, project: str, fleet: Figures) -> bool:
    """Whether nothing more will come: all images shown, all captures settled, all tasks answered."""
    found = await counts(runtime, project)
    return not found["open_tasks"] and await settled(runtime, project, fleet) is not None


async def deployed(runtime: app.Runtime, project: str, version: int) -> str | None:
    async with runtime.sessions() as session:
        newest = select(tables.Deployment).where(
            tables.Deployment.project == project, tables.Deployment.model_version == version
        )
        deployment = (await session.scalars(newest.order_by(tables.Deployment.at.desc()).limit(1))).first()
        if not deployment or deployment.state == states.DeploymentState.RUNNING:
            return None
        if deployment.state != states.DeploymentState.SUCCEEDED:
            raise Wrong(f"the deployment of v{version} ended {deployment.state}: {deployment.reason}")
        mine = select(func.count()).where(tables.DeploymentDevice.deployment_id == deployment.id)
        installed = await session.scalar(mine.where(tables.DeploymentDevice.state == states.InstallState.INSTALLED))
    return f"v{version} on {installed} devices, in {len(deployment.stages)} stages"


async def rolled_out(runtime: app.Runtime, project: str, version: int) -> str | None:
    """Like `deployed`; a model that the gate did not approve is not rolled out, and that is an answer too."""
    async with runtime.sessions() as session:
        model = await session.get(tables.ModelVersion, (project, version))
    if model and model.state != states.ModelState.APPROVED:
        return f"not rolled out: {model.state} by the gate"
    return await deployed(runtime, project, version)


async def settled(runtime: app.Runtime, project: str, fleet: Figures) -> str | None:
    """Whether every capture has its fate and every camera has shown all its images."""
    async with runtime.sessions() as session:
        unsettled = await session.scalar(_UNSETTLED, {"p": project})
    return "settled" if not unsettled and fleet.finished else None


async def ran(runtime: app.Runtime, project: str) -> list[int]:
    """The first model version and the last that was rolled out, in order."""
    done = select(tables.Deployment.model_version).where(
        tables.Deployment.project == project, tables.Deployment.state == states.DeploymentState.SUCCEEDED
    )
    async with runtime.sessions() as session:
        versions = list(await session.scalars(done.order_by(tables.Deployment.at)))
    return [versions[0], versions[-1]]


async def model_files(runtime: app.Runtime, project: str, version: int) -> documents.Files:
    async with runtime.sessions() as session:
        model = await session.get_one(tables.ModelVersion, (project, version))
    return model.files


async def models(runtime: app.Runtime, project: str) -> list[dict[str, object]]:
    """Model versions, for the report."""
    table = tables.ModelVersion
    async with runtime.sessions() as session:
        rows = await session.scalars(select(table).where(table.project == project).order_by(table.version))
        return [{"version": row.version, "state": row.state, "reasons": row.reasons} for row in rows]


async def deployments(runtime: app.Runtime, project: str) -> list[dict[str, object]]:
    """Deployments in their order, for the report; `seconds` from start to end."""
    table = tables.Deployment
    async with runtime.sessions() as session:
        rows = await session.scalars(select(table).where(table.project == project).order_by(table.at))
        return [
            {"model": row.model_version, "kind": row.kind, "state": row.state, "stages": row.stages,
             "seconds": round((row.finished_at - row.at).total_seconds(), 2) if row.finished_at else None}
            for row in rows
        ]  # fmt: skip
