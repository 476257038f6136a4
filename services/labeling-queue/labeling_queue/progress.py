"""How far the labeling is, and what became of it: read-only, from this service's tables and its neighbours'."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from strop_contracts import states, tables


@dataclass(frozen=True, slots=True)
class Share:
    """What one person did."""

    author: str
    answers: int


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` counts answers that stand, given since `since`."""

    waiting: int
    done: int
    since: datetime
    by: list[Share]


@dataclass(frozen=True, slots=True)
class Overview:
    """All that the front page says of a project."""

    name: str
    progress: Progress
    running: list[tuple[str, int]]  # model version and how many devices run it, most first
    run: tables.TrainingRun | None  # the latest
    made: tables.ModelVersion | None  # what that run made


async def progress(session: AsyncSession, project: str, since: datetime) -> Progress:
    waiting = select(func.count()).where(
        tables.LabelTask.project == project, tables.LabelTask.state == states.TaskState.OPEN
    )
    answers = func.count()
    shares = (
        select(tables.Annotation.author, answers)
        .where(
            tables.Annotation.project == project,
            tables.Annotation.at >= since,
            tables.Annotation.undone_at.is_(None),
        )
        .group_by(tables.Annotation.author)
        .order_by(answers.desc(), tables.Annotation.author)
    )
    by = [Share(author, count) for author, count in await session.execute(shares)]
    return Progress(await session.scalar(waiting) or 0, sum(share.answers for share in by), since, by)


async def overviews(session: AsyncSession, since: datetime) -> list[Overview]:
    names = await session.scalars(select(tables.Project.name).order_by(tables.Project.name))
    return [await _overview(session, name, since) for name in names]


async def _overview(session: AsyncSession, project: str, since: datetime) -> Overview:
    runs = select(tables.TrainingRun).where(tables.TrainingRun.project == project)
    run = await session.scalar(runs.order_by(tables.TrainingRun.at.desc()).limit(1))
    made = select(tables.ModelVersion).where(tables.ModelVersion.run_id == (run.id if run else None))
    return Overview(
        project,
        await progress(session, project, since),
        await _running(session, project),
        run,
        await session.scalar(made),
    )


async def _running(session: AsyncSession, project: str) -> list[tuple[str, int]]:
    devices = func.count()
    running = (
        select(tables.Device.model, devices)
        .where(tables.Device.project == project, tables.Device.model.is_not(None))
        .group_by(tables.Device.model)
        .order_by(devices.desc(), tables.Device.model)
    )
    return [(model, count) for model, count in await session.execute(running) if model]
