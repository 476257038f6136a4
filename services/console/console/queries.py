"""What the console reads of projects, their models and how these did."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, true, union
from sqlalchemy.ext.asyncio import AsyncSession

from console import rules
from strop_contracts import errors, states, tables

SAMPLES = 8

IMAGES: tuple[type[tables.Image] | type[tables.HostedImage], ...] = (tables.Image, tables.HostedImage)
"""Where images are: those of devices and base data sets, and those of hosted data sets."""


@dataclass(frozen=True)
class Version:
    """A model in the words of the API, with what the trainer and the fleet know of it."""

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


@dataclass(frozen=True)
class Overview:
    """What the front page says of a project."""

    name: str
    at: datetime
    images: int
    versions: list[Version]
    samples: list[str]  # sha256 of a few images

    @property
    def latest(self) -> Version | None:
        return self.versions[0] if self.versions else None

    @property
    def score(self) -> rules.Scores | None:
        """Of the latest version that was judged."""
        return next((version.score for version in self.versions if version.score), None)

    @property
    def running(self) -> list[str]:
        return [version.name for version in self.versions if version.status == states.VersionStatus.RUNNING]


async def require_project(session: AsyncSession, project: str) -> tables.Project:
    found = await session.get(tables.Project, project)
    if found is None:
        raise errors.NotFound(f"There is no project {project}.")
    return found


async def overviews(session: AsyncSession) -> list[Overview]:
    projects = (await session.scalars(select(tables.Project).order_by(tables.Project.name))).all()
    images = union(*(select(table.project, table.sha256) for table in IMAGES)).subquery()
    by_project = select(images.c.project, func.count()).group_by(images.c.project)
    counts: dict[str, int] = dict((await session.execute(by_project)).tuples().all())
    found = await _versions(session, None)
    samples = await _samples(session)
    return [
        Overview(each.name, each.at, counts.get(each.name, 0), found[each.name], samples[each.name])
        for each in projects
    ]


async def _samples(session: AsyncSession) -> dict[str, list[str]]:
    """A few images of each project: any will do, so those with the smallest hashes."""
    found: dict[str, set[str]] = defaultdict(set)
    for table in IMAGES:
        few = select(table.sha256).where(table.project == tables.Project.name).order_by(table.sha256).limit(SAMPLES)
        chosen = few.correlate(tables.Project).lateral()
        for name, sha256 in await session.execute(select(tables.Project.name, chosen.c.sha256).join(chosen, true())):
            found[name].add(sha256)
    return defaultdict(list, {name: sorted(hashes)[:SAMPLES] for name, hashes in found.items()})


async def content_type(session: AsyncSession, project: str, sha256: str) -> str:
    """Return the content type of an image; NotFound if the project has no such image."""
    for table in IMAGES:
        named = select(table.content_type).where(table.project == project, table.sha256 == sha256)
        if kind := await session.scalar(named):
            return kind
    raise errors.NotFound("There is no such image.")


async def versions(session: AsyncSession, project: str) -> list[Version]:
    """All versions of a project, the latest first."""
    return (await _versions(session, project))[project]


async def version(session: AsyncSession, project: str, name: str) -> Version:
    await require_project(session, project)
    for found in await versions(session, project):
        if found.name == name:
            return found
    raise errors.NotFound(f"There is no version {name} of {project}.")


async def _versions(session: AsyncSession, project: str | None) -> dict[str, list[Version]]:
    """Versions by project, of one project or of all."""

    async def rows(table: Any) -> Any:
        return (await session.scalars(select(table).where(*([table.project == project] if project else [])))).all()

    runs = {run.id: run for run in await rows(tables.TrainingRun)}
    made = {(one.project, one.version): one for one in await rows(tables.ModelVersion)}
    scores: dict[tuple[str, int], dict[str, rules.Scores]] = defaultdict(dict)
    for one in sorted(await rows(tables.Evaluation), key=lambda one: rules.PARTS.index(one.part)):
        if one.metrics.images:  # a part without images says nothing
            scores[one.project, one.model_version][one.part] = rules.scores(one.metrics)
    devices = await _devices(session, project)
    found: dict[str, list[Version]] = defaultdict(list)
    known = set()
    for row in await rows(tables.ProjectVersion):
        key = (row.project, row.model_version)
        known.add(key)
        found[row.project].append(
            Version(
                row.project,
                row.name,
                row.status,
                row.at,
                row.message,
                hosted=row,
                made=made.get(key),
                run=runs.get(row.run_id),
                scores=scores.get(key),
                devices=devices.get(key, 0),
            )
        )
    for key, model in made.items():
        if key not in known:
            name = f"v{model.version}"
            extra = {"made": model, "run": runs.get(model.run_id), "scores": scores.get(key)}
            found[model.project].append(
                Version(model.project, name, "TRAINED", model.at, devices=devices.get(key, 0), **extra)
            )
    for several in found.values():
        several.sort(key=lambda one: (one.at, one.hosted.id.int if one.hosted else 0), reverse=True)
    return found


async def _devices(session: AsyncSession, project: str | None) -> dict[tuple[str, int], int]:
    """How many devices run each model version."""
    table = tables.Device
    found = select(table.project, table.model, func.count()).where(table.model.is_not(None))
    if project:
        found = found.where(table.project == project)
    rows = await session.execute(found.group_by(table.project, table.model))
    return {(name, rules.number(model or "")): count for name, model, count in rows}


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
    """How a version did on one part; NotFound says why there is none."""
    key = (version.project, version.made.version if version.made else 0, part)
    found = await session.get(tables.Evaluation, key)
    if found is None:
        raise errors.NotFound(f"{version.name} has no evaluation on {rules.PART_NAMES[part]}.")
    return found
