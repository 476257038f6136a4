"""`strop train`, `strop models` and `strop rollback`: models from the wish for one to taking it back."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from deployer import rollouts
from strop import app
from strop_cli import connection, differences, projects
from strop_contracts import documents, errors, states, tables
from trainer import datasets, registry, triggers

_LOOK = 0.5  # seconds between two looks at a run

cli = typer.Typer(no_args_is_help=True, help="Model versions: what was trained, how good it is, where it went.")


def number(version: str) -> int:
    """Read a model version as people write it: 3 or v3."""
    if not (digits := version.removeprefix("v")).isdecimal():
        raise typer.BadParameter(f"{version!r} is not a model version, such as v3")
    return int(digits)


def train(
    project: str,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end, and say what the gate decided.")] = False,
    state: connection.State = None,
) -> None:
    """Ask for a training run now, however many new labels there are."""

    async def work(runtime: app.Runtime) -> str:
        async with runtime.sessions.begin() as session:
            run = await triggers.by_hand(session, project)
            conflicts = await datasets.conflicts(session, project)
        print(*differences.label_conflicts(conflicts), f"training run {run} is asked for", sep="\n", flush=True)
        return await outcome(runtime, run) if wait else f"`strop models list {project}` shows the model when it is done"

    print(connection.run(state, work))


async def outcome(runtime: app.Runtime, run: UUID) -> str:
    """Wait for the end of a run; returns the gate's verdict in words. StropError when the run failed."""
    while True:
        async with runtime.sessions() as session:
            found = await session.get_one(tables.TrainingRun, run)
            model = await session.scalar(select(tables.ModelVersion).where(tables.ModelVersion.run_id == run))
        if found.state == states.RunState.FAILED:
            raise errors.StropError(f"training {words(found, model)}")
        if model:
            return verdict(model)
        await asyncio.sleep(_LOOK)


def rollback(
    project: str,
    version: Annotated[
        int | None, typer.Argument(parser=number, help="Model version to return to; else the last good one.")
    ] = None,
    to: Annotated[int | None, typer.Option(parser=number, help="The same, as an option.")] = None,
    reason: Annotated[str, typer.Option(help="Why, for those who read it later.")] = "taken back by hand",
    state: connection.State = None,
) -> None:
    """Take the whole fleet back to an earlier model, at once."""
    if None not in {version, to}:
        raise errors.Refused("give the version once")
    target = to if version is None else version

    async def work(runtime: app.Runtime) -> str:
        async with runtime.sessions.begin() as session:
            begun = await rollouts.roll_back(session, project, target, reason)
        return (
            f"the fleet of {project} goes back to v{begun.model_version}" if begun else "the first rollout is stopped"
        )

    print(connection.run(state, work))


@cli.command("list")
def list_(project: str, state: connection.State = None) -> None:
    """Show a project's model versions, newest first, the gate's reasons, and how the latest training run ended."""

    async def work(runtime: app.Runtime) -> tuple[Table, list[str]]:
        async with runtime.sessions() as session:
            await projects.require(session, project)
            newest = select(tables.ModelVersion).where(tables.ModelVersion.project == project)
            found = (await session.scalars(newest.order_by(tables.ModelVersion.version.desc()))).all()
            table = _table(
                found,
                await _scores(session, project),
                await _deployments(session, project),
                await _hosted(session, project),
            )
            training = await last_training(session, project)
        return table, [*map(verdict, found), f"latest training run: {training or 'none yet'}"]

    table, below = connection.run(state, work)
    Console().print(table)
    print(*below, sep="\n")


@cli.command()
def approve(
    project: str,
    version: Annotated[int, typer.Argument(parser=number, help="Model version, such as v3.")],
    state: connection.State = None,
) -> None:
    """Roll a model out to the fleet that no gate approved: one that was ordered for hosting, or one that was refused."""

    async def work(runtime: app.Runtime) -> str:
        async with runtime.sessions.begin() as session:
            await registry.approve(session, project, version)
        return f"v{version} of {project} is approved: its rollout begins"

    print(connection.run(state, work))


async def _hosted(session: AsyncSession, project: str) -> dict[int, str]:
    """By model: what the Rekognition API calls it, and whether it runs."""
    wanted = select(tables.ProjectVersion).where(tables.ProjectVersion.project == project)
    rows = await session.scalars(wanted.where(tables.ProjectVersion.model_version.is_not(None)))
    return {row.model_version: f"{row.name} {row.status}" for row in rows if row.model_version}


def _table(
    found: Sequence[tables.ModelVersion],
    scores: Mapping[tuple[int, str], str],
    shipped: Mapping[int, str],
    hosted: Mapping[int, str],
) -> Table:
    table = Table("model", "gate", "field accuracy", "base accuracy", "deployment", "hosted as")
    for model in found:
        field, base = (scores.get((model.version, part), "") for part in ("field", "base"))
        row = (field, base, shipped.get(model.version, ""), hosted.get(model.version, ""))
        table.add_row(f"v{model.version}", model.state, *row)
    return table


async def last_training(session: AsyncSession, project: str) -> str | None:
    """What became of the latest training run, in words; None when there was none."""
    run, model = tables.TrainingRun, tables.ModelVersion
    wanted = select(run, model).outerjoin(model, model.run_id == run.id).where(run.project == project)
    found = (await session.execute(wanted.order_by(run.at.desc()).limit(1))).first()
    return words(*found) if found else None


def words(run: tables.TrainingRun, model: tables.ModelVersion | None) -> str:
    """Say what became of a run: the gate's decision once there is a model, the error when it failed."""
    if run.state == states.RunState.FAILED:
        return f"failed: {run.error}"
    return f"v{model.version} {model.state}" if model else run.state


def verdict(model: tables.ModelVersion) -> str:
    """The gate's decision and its reasons, one a line."""
    return "\n  ".join([f"v{model.version} {model.state}:", *model.reasons])


async def _scores(session: AsyncSession, project: str) -> dict[tuple[int, str], str]:
    """Accuracy and its interval, in words, by (model version, part of the dataset)."""
    table = tables.Evaluation
    rows = await session.scalars(select(table).where(table.project == project))
    return {(row.model_version, row.part): _accuracy(row.metrics) for row in rows}


def _accuracy(metrics: documents.Metrics) -> str:
    if not (share := metrics.accuracy):
        return "no images"
    return f"{share.value:.1%} of {metrics.images}\n{share.low:.1%} to {share.high:.1%}"


async def _deployments(session: AsyncSession, project: str) -> dict[int, str]:
    """What became of the newest deployment of each model version."""
    table = tables.Deployment
    rows = await session.scalars(select(table).where(table.project == project).order_by(table.at))
    return {row.model_version: f"{row.kind} {row.state.replace('_', ' ')}" for row in rows}
