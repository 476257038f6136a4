"""The model versions of a project as operators list them, and how its latest training run ended."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from strop_contracts import control, documents, states, tables


async def models(session: AsyncSession, project: str) -> control.Models:
    """List the model versions, newest first."""
    newest = select(tables.ModelVersion).where(tables.ModelVersion.project == project)
    scores, hosted = await _scores(session, project), await _hosted(session, project)
    deployments = await _deployments(session, project)
    listed = [
        control.Model(
            version=row.version,
            state=row.state,
            reasons=row.reasons,
            field=scores.get((row.version, "field"), ""),
            base=scores.get((row.version, "base"), ""),
            deployment=deployments.get(row.version, ""),
            hosted=hosted.get(row.version, ""),
        )
        for row in await session.scalars(newest.order_by(tables.ModelVersion.version.desc()))
    ]
    return control.Models(models=listed, latest_run=await last_training(session, project))


async def last_training(session: AsyncSession, project: str) -> str | None:
    """Return how the latest training run ended; None if there is none."""
    run, model = tables.TrainingRun, tables.ModelVersion
    wanted = select(run, model).outerjoin(model, model.run_id == run.id).where(run.project == project)
    found = (await session.execute(wanted.order_by(run.at.desc()).limit(1))).first()
    return words(*found) if found else None


def words(run: tables.TrainingRun, model: tables.ModelVersion | None) -> str:
    """Return the state of a run: the gate's decision once there is a model, the error if it failed."""
    if run.state == states.RunState.FAILED:
        return f"failed: {run.error}"
    return f"v{model.version} {model.state}" if model else run.state


async def _hosted(session: AsyncSession, project: str) -> dict[int, str]:
    """Return the name and status of the hosted version by model."""
    wanted = select(tables.ProjectVersion).where(tables.ProjectVersion.project == project)
    rows = await session.scalars(wanted.where(tables.ProjectVersion.model_version.is_not(None)))
    return {row.model_version: f"{row.name} {row.status}" for row in rows if row.model_version}


async def _scores(session: AsyncSession, project: str) -> dict[tuple[int, str], str]:
    """Return the accuracy and its interval by model version and part of the dataset."""
    table = tables.Evaluation
    rows = await session.scalars(select(table).where(table.project == project))
    return {(row.model_version, row.part): _accuracy(row.metrics) for row in rows}


def _accuracy(metrics: documents.Metrics) -> str:
    if not (share := metrics.accuracy):
        return "no images"
    return f"{share.value:.1%} of {metrics.images}\n{share.low:.1%} to {share.high:.1%}"


async def _deployments(session: AsyncSession, project: str) -> dict[int, str]:
    """Return the kind and state of the newest deployment of each model version."""
    table = tables.Deployment
    rows = await session.scalars(select(table).where(table.project == project).order_by(table.at))
    return {row.model_version: f"{row.kind} {row.state.replace('_', ' ')}" for row in rows}
