"""The state of every project, for the home page. The number of statements does not depend on the number of projects."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select, true, type_coerce, union
from sqlalchemy.dialects.postgresql import JSONB, distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from strop_contracts import states, tables

Counts = dict[str, list[tuple[str, int]]]
"""Names with counts, by project."""


@dataclass(frozen=True, slots=True)
class Training:
    """The latest training run of a project, and the model version that it made."""

    project: str
    state: str
    at: datetime  # when it finished, else when it was requested
    error: str | None
    version: int | None
    verdict: str | None  # state of the model version


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The accuracy of the newest model version that was evaluated; field images before test images."""

    project: str
    version: int
    value: float
    part: str


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of one project."""

    name: str
    waiting: int  # images without an answer
    answers: list[tuple[str, int]]  # per person, most first
    images: int
    devices: int
    models: list[tuple[str, int]]  # model versions with the number of devices that run them, most first
    hosted: list[str]  # versions that the Custom Labels API runs
    training: Training | None
    accuracy: Accuracy | None

    @property
    def done(self) -> int:
        """All answers."""
        return sum(count for _, count in self.answers)


async def projects(session: AsyncSession, since: datetime) -> list[Overview]:
    """Return all projects by name; answers count from `since` on."""
    names = await session.scalars(select(tables.Project.name).order_by(tables.Project.name))
    waiting, images = await _waiting(session), await _images(session)
    answers, devices, hosted = await _answers(session, since), await _devices(session), await _hosted(session)
    trainings, accuracies = await _trainings(session), await _accuracies(session)
    return [
        Overview(
            name,
            waiting.get(name, 0),
            answers[name],
            images.get(name, 0),
            sum(count for _, count in devices[name]),
            [(model, count) for model, count in devices[name] if model],
            [version for version, _ in hosted[name]],
            trainings.get(name),
            accuracies.get(name),
        )
        for name in names
    ]


async def _waiting(session: AsyncSession) -> dict[str, int]:
    task = tables.LabelTask
    counts = select(task.project, func.count()).where(task.state == states.TaskState.OPEN).group_by(task.project)
    return {row[0]: row[1] for row in await session.execute(counts)}


async def _images(session: AsyncSession) -> dict[str, int]:
    """Images of devices, base data sets and hosted data sets, each once; refused ones are in neither table."""
    kept = union(*(select(table.project, table.sha256) for table in (tables.Image, tables.HostedImage))).subquery()
    counts = select(kept.c.project, func.count()).group_by(kept.c.project)
    return {row[0]: row[1] for row in await session.execute(counts)}


async def _answers(session: AsyncSession, since: datetime) -> Counts:
    table = tables.Annotation
    return await _counted(session, table.project, table.author, table.at >= since, table.undone_at.is_(None))


async def _devices(session: AsyncSession) -> Counts:
    """Model versions with their numbers of devices; "" for devices that have reported none."""
    return await _counted(session, tables.Device.project, func.coalesce(tables.Device.model, ""))


async def _hosted(session: AsyncSession) -> Counts:
    table = tables.ProjectVersion
    return await _counted(session, table.project, table.name, table.status == states.VersionStatus.RUNNING)


async def _counted(session: AsyncSession, project: Any, name: Any, *conditions: ColumnElement[bool]) -> Counts:
    """Count rows by project and name, most first."""
    title, count = name.label("name"), func.count()
    rows = select(project, title, count).where(*conditions).group_by(project, title).order_by(count.desc(), title)
    counts: Counts = defaultdict(list)
    for key, value, number in await session.execute(rows):
        counts[key].append((value, number))
    return counts


async def _trainings(session: AsyncSession) -> dict[str, Training]:
    run, made = tables.TrainingRun, tables.ModelVersion
    at = func.coalesce(run.finished_at, run.at)
    latest = (
        select(run.project, run.state, at, run.error, made.version, made.state)
        .outerjoin(made, made.run_id == run.id)
        .ext(distinct_on(run.project))
        .order_by(run.project, run.at.desc())
    )
    return {row[0]: Training(*row) for row in await session.execute(latest)}


async def _accuracies(session: AsyncSession) -> dict[str, Accuracy]:
    table = tables.Evaluation
    metrics: Any = type_coerce(table.metrics, JSONB)
    # One index look-up per project: the metrics of the other versions, 100 kB each, stay unread.
    newest = (
        select(table.model_version, metrics["accuracy"]["value"].as_float().label("value"), table.part)
        .where(table.project == tables.Project.name, metrics["images"].as_integer() > 0)
        .order_by(table.model_version.desc(), table.part.desc())
        .limit(1)
        .correlate(tables.Project)
        .lateral()
    )
    rows = select(tables.Project.name, newest.c.model_version, newest.c.value, newest.c.part).join(newest, true())
    return {row[0]: Accuracy(*row) for row in await session.execute(rows) if row[2] is not None}
