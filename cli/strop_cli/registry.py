"""`strop train`, `strop models` and `strop rollback`: models from the wish for one to taking it back."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from deployer import rollouts
from strop import app, models
from strop_cli import connection, projects
from trainer import triggers

cli = typer.Typer(no_args_is_help=True, help="Model versions: what was trained, how good it is, where it went.")


def train(project: str, state: connection.State = None) -> None:
    """Ask for a training run now, however many new labels there are."""

    async def work(runtime: app.Runtime) -> str:
        async with runtime.sessions.begin() as session:
            return str(await triggers.by_hand(session, project))

    run = connection.run(state, work)
    print(f"training run {run} is asked for; `strop models list {project}` shows the model when it is done")


def rollback(
    project: str,
    to: Annotated[int | None, typer.Option(help="Model version to return to; else the last good one.")] = None,
    reason: Annotated[str, typer.Option(help="Why, for those who read it later.")] = "taken back by hand",
    state: connection.State = None,
) -> None:
    """Take the whole fleet back to an earlier model, at once."""

    async def work(runtime: app.Runtime) -> str:
        async with runtime.sessions.begin() as session:
            begun = await rollouts.roll_back(session, project, to, reason)
        return (
            f"the fleet of {project} goes back to v{begun.model_version}" if begun else "the first rollout is stopped"
        )

    print(connection.run(state, work))


@cli.command("list")
def list_(project: str, state: connection.State = None) -> None:
    """Show a project's model versions, newest first."""

    async def work(runtime: app.Runtime) -> Table:
        table = Table("model", "gate", "accuracy in the field", "on base images", "deployment", "why")
        async with runtime.sessions() as session:
            await projects.require(session, project)
            scores = await _scores(session, project)
            shipped = await _deployments(session, project)
            newest = select(models.ModelVersion).where(models.ModelVersion.project == project)
            for model in await session.scalars(newest.order_by(models.ModelVersion.version.desc())):
                field, base = (scores.get((model.version, part), "") for part in ("field", "base"))
                why = "; ".join(map(str, model.reasons))
                table.add_row(f"v{model.version}", model.state, field, base, shipped.get(model.version, ""), why)
        return table

    Console().print(connection.run(state, work))


async def _scores(session: AsyncSession, project: str) -> dict[tuple[int, str], str]:
    """Accuracy in words by (model version, part of the dataset)."""
    table = models.Evaluation
    rows = await session.scalars(select(table).where(table.project == project))
    return {(row.model_version, row.part): _accuracy(row.metrics) for row in rows}


def _accuracy(metrics: dict[str, Any]) -> str:
    if not (found := metrics["accuracy"]):
        return "no images"
    return f"{found['value']:.1%} ({found['low']:.1%} to {found['high']:.1%}, {metrics['images']} images)"


async def _deployments(session: AsyncSession, project: str) -> dict[int, str]:
    """What became of the newest deployment of each model version."""
    table = models.Deployment
    rows = await session.scalars(select(table).where(table.project == project).order_by(table.at))
    return {row.model_version: f"{row.kind} {row.state.replace('_', ' ')}" for row in rows}
