"""How far the labeling is, and what became of it: read-only, from this service's tables and its neighbours'."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from strop import models


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
    run: models.TrainingRun | None  # the latest
    made: models.ModelVersion | None  # what that run made


async def progress(session: AsyncSession, project: str, since: datetime) -> Progress:
    waiting = select(func.count()).where(models.LabelTask.project == project, models.LabelTask.state == "open")
    answers = func.count()
    shares = (
        select(models.Annotation.author, answers)
        .where(
            models.Annotation.project == project,
            models.Annotation.at >= since,
            models.Annotation.undone_at.is_(None),
        )
        .group_by(models.Annotation.author)
        .order_by(answers.desc(), models.Annotation.author)
    )
    by = [Share(author, count) for author, count in await session.execute(shares)]
    return Progress(await session.scalar(waiting) or 0, sum(share.answers for share in by), since, by)


async def overviews(session: AsyncSession, since: datetime) -> list[Overview]:
    names = await session.scalars(select(models.Project.name).order_by(models.Project.name))
    return [await _overview(session, name, since) for name in names]


async def _overview(session: AsyncSession, project: str, since: datetime) -> Overview:
    runs = select(models.TrainingRun).where(models.TrainingRun.project == project)
    run = await session.scalar(runs.order_by(models.TrainingRun.at.desc()).limit(1))
    made = select(models.ModelVersion).where(models.ModelVersion.run_id == (run.id if run else None))
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
        select(models.Device.model, devices)
        .where(models.Device.project == project, models.Device.model.is_not(None))
        .group_by(models.Device.model)
        .order_by(devices.desc(), models.Device.model)
    )
    return [(model, count) for model, count in await session.execute(running) if model]
