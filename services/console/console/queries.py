"""What the console reads of projects, their models and how these did."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from console import rules
from strop_contracts import errors, states, tables

IMAGES: tuple[type[tables.Image] | type[tables.HostedImage], ...] = (tables.Image, tables.HostedImage)
"""Where images are: those of devices and base data sets, and those of hosted data sets."""


@dataclass(frozen=True)
class Version:
    """A model version of the API, with its training run and its deployment in the fleet."""

    project: str
    name: str
    status: str
    at: datetime
    message: str = ""
    hosted: tables.ProjectVersion | None = None  # None: the Custom Labels service has not seen it yet
    made: tables.ModelVersion | None = None  # None: not trained yet, or failed
    run: tables.TrainingRun | None = None
    scores: dict[str, rules.Scores] | None = None  # by part, the one to show first comes first
    devices: int = 0  # that run it

    @property
    def score(self) -> rules.Scores | None:
        return next(iter((self.scores or {}).values()), None)

    @property
    def moving(self) -> bool:
        return self.status in rules.MOVING

    @property
    def progress(self) -> str:
        return rules.progress(self.run.state, self.run.progress) if self.run else ""


async def require_project(session: AsyncSession, project: str) -> tables.Project:
    found = await session.get(tables.Project, project)
    if found is None:
        raise errors.NotFound(f"There is no project {project}.")
    return found


async def content_type(session: AsyncSession, project: str, sha256: str) -> str:
    """Return the content type of an image; NotFound if the project has no such image."""
    for table in IMAGES:
        named = select(table.content_type).where(table.project == project, table.sha256 == sha256)
        if kind := await session.scalar(named):
            return kind
    raise errors.NotFound("There is no such image.")


async def versions(session: AsyncSession, project: str) -> list[Version]:
    """Return all versions of a project, the latest first."""
    made = {one.version: one for one in await _rows(session, tables.ModelVersion, project)}
    runs = {run.id: run for run in await _rows(session, tables.TrainingRun, project)}
    scores, devices = await _scores(session, project), await _devices(session, project)
    hosted = await _rows(session, tables.ProjectVersion, project)

    def version(name: str, status: str, at: datetime, run: UUID | None, number: int | None, **more: Any) -> Version:
        numbered = {"scores": scores.get(number or 0), "devices": devices.get(number or 0, 0)}
        return Version(project, name, status, at, made=made.get(number or 0), run=runs.get(run), **numbered, **more)  # type: ignore[arg-type]

    several = [
        version(row.name, row.status, row.at, row.run_id, row.model_version, message=row.message, hosted=row)
        for row in hosted
    ]
    known = {row.model_version for row in hosted}
    several += [
        version(f"v{model.version}", "TRAINED", model.at, model.run_id, model.version)
        for model in made.values()
        if model.version not in known
    ]
    return sorted(several, key=lambda one: (one.at, one.hosted.id.int if one.hosted else 0), reverse=True)


async def version(session: AsyncSession, project: str, name: str) -> Version:
    """Return a version by its name; NotFound if there is none."""
    await require_project(session, project)
    for found in await versions(session, project):
        if found.name == name:
            return found
    raise errors.NotFound(f"There is no version {name} of {project}.")


async def _rows(session: AsyncSession, table: Any, project: str) -> Sequence[Any]:
    return (await session.scalars(select(table).where(table.project == project))).all()


async def _scores(session: AsyncSession, project: str) -> dict[int, dict[str, rules.Scores]]:
    """Return the scores of each model version by part; parts without images are left out."""
    scores: dict[int, dict[str, rules.Scores]] = defaultdict(dict)
    rows = await _rows(session, tables.Evaluation, project)
    for one in sorted(rows, key=lambda one: rules.PARTS.index(one.part)):
        if one.metrics.images:
            scores[one.model_version][one.part] = rules.scores(one.metrics)
    return scores


async def _devices(session: AsyncSession, project: str) -> dict[int, int]:
    """Return how many devices run each model version."""
    table = tables.Device
    counts = select(table.model, func.count()).where(table.project == project, table.model.is_not(None))
    rows = await session.execute(counts.group_by(table.model))
    return {rules.number(model or ""): count for model, count in rows}


async def unfinished_runs(session: AsyncSession, project: str) -> list[tables.TrainingRun]:
    """Trainings of the fleet that have no version yet."""
    table = tables.TrainingRun
    waiting = select(table).where(
        table.project == project,
        table.state.in_((states.RunState.REQUESTED, states.RunState.RUNNING)),
        table.manifest.is_(None),
    )
    return list((await session.scalars(waiting.order_by(table.at))).all())


async def evaluation(session: AsyncSession, version: Version, part: str) -> tables.Evaluation:
    """Return the metrics of a version on one part; NotFound with the reason if there are none."""
    key = (version.project, version.made.version if version.made else 0, part)
    found = await session.get(tables.Evaluation, key)
    if found is None:
        raise errors.NotFound(f"{version.name} has no evaluation on {rules.PART_NAMES[part]}.")
    return found
