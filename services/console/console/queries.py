"""What the console reads of projects, their models and how these did."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Row, func, null, select, type_coerce, union_all
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from console import rules
from strop_contracts import documents, errors, states, tables

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
    scores: Mapping[str, rules.Summary] | None = None  # by part, the one to show first comes first
    devices: int = 0  # that run it

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


PAGE = 20
"""Versions on a page."""


@dataclass(frozen=True)
class Versions:
    """One page of the versions of a project."""

    shown: Sequence[Version]
    total: int
    page: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // PAGE))


async def versions(session: AsyncSession, project: str, page: int = 1) -> Versions:
    """Return a page of the versions of a project, the latest first."""
    known = _known(project).subquery()
    total = await session.scalar(select(func.count()).select_from(known)) or 0
    page = min(page, max(1, -(-total // PAGE)))
    ordered = select(known).order_by(known.c.at.desc(), known.c.id.desc().nulls_last(), known.c.model.desc())
    rows = (await session.execute(ordered.offset(PAGE * (page - 1)).limit(PAGE))).all()
    return Versions(await _details(session, project, rows), total, page)


async def version(session: AsyncSession, project: str, name: str) -> Version:
    """Return a version by its name; NotFound if there is none."""
    await require_project(session, project)
    known = _known(project).subquery()
    rows = (await session.execute(select(known).where(known.c.name == name))).all()
    if not rows:
        raise errors.NotFound(f"There is no version {name} of {project}.")
    return (await _details(session, project, rows))[0]


async def triable(session: AsyncSession, project: str) -> str | None:
    """Return the name of a hosted version to try: one that runs, else the latest; None if there is none."""
    table = tables.ProjectVersion
    runs = table.status == states.VersionStatus.RUNNING
    named = select(table.name).where(table.project == project)
    return await session.scalar(named.order_by(runs.desc(), table.at.desc(), table.id.desc()).limit(1))


def _known(project: str) -> CompoundSelect[Any]:
    """Select name, time, id, model and run of all versions: those of the API, and models that it has not received yet."""
    hosted, made = tables.ProjectVersion, tables.ModelVersion
    received = select(hosted.model_version).where(hosted.project == project, hosted.model_version.is_not(None))
    return union_all(
        select(
            hosted.name.label("name"), hosted.at, hosted.id, hosted.model_version.label("model"), hosted.run_id
        ).where(hosted.project == project),
        select(func.concat("v", made.version), made.at, null(), made.version, made.run_id).where(
            made.project == project, made.version.not_in(received)
        ),
    )


async def _details(session: AsyncSession, project: str, rows: Sequence[Row[Any]]) -> list[Version]:
    numbers = [row.model for row in rows if row.model is not None]
    hosted = await _by(session, tables.ProjectVersion.id, [row.id for row in rows if row.id])
    runs = await _by(session, tables.TrainingRun.id, [row.run_id for row in rows if row.run_id])
    made = await _by(session, tables.ModelVersion.version, numbers, tables.ModelVersion.project == project)
    figures, devices = await scores(session, project, numbers), await _devices(session, project, numbers)

    def version(row: Row[Any]) -> Version:
        api = hosted.get(row.id)
        return Version(
            project, row.name, api.status if api else "TRAINED", row.at, api.message if api else "",
            hosted=api, made=made.get(row.model), run=runs.get(row.run_id),
            scores=figures.get(row.model), devices=devices.get(row.model, 0),
        )  # fmt: skip

    return [version(row) for row in rows]


async def _by(
    session: AsyncSession, key: Any, values: Sequence[Any], *conditions: ColumnElement[bool]
) -> dict[Any, Any]:
    """Return the rows of a table with these values of a column, by that column."""
    rows = await session.scalars(select(key.class_).where(key.in_(values), *conditions))
    return {getattr(row, key.key): row for row in rows}


async def scores(session: AsyncSession, project: str, numbers: Sequence[int]) -> dict[int, dict[str, rules.Summary]]:
    """Return the figures of each model version by part; parts without images are left out."""
    table = tables.Evaluation
    metrics: Any = type_coerce(table.metrics, JSONB)
    wanted = select(
        table.model_version, table.part, table.champion_right,
        *(metrics[name].label(name) for name in ("images", "accuracy")), metrics["answers"]["f1"].label("f1"),
    ).where(table.project == project, table.model_version.in_(numbers))  # fmt: skip
    found: dict[int, dict[str, rules.Summary]] = defaultdict(dict)
    for row in sorted(await session.execute(wanted), key=lambda row: rules.PARTS.index(row.part)):
        if row.images:
            share = documents.Share(**row.accuracy) if row.accuracy else None
            found[row.model_version][row.part] = rules.Summary(row.images, share, row.f1, row.champion_right)
    return found


async def _devices(session: AsyncSession, project: str, numbers: Sequence[int]) -> dict[int, int]:
    """Return how many devices run each of these model versions."""
    table = tables.Device
    names = [f"v{number}" for number in numbers]
    counts = select(table.model, func.count()).where(table.project == project, table.model.in_(names))
    rows = await session.execute(counts.group_by(table.model))
    return {rules.number(model or ""): count for model, count in rows}


async def open_tasks(session: AsyncSession, project: str) -> int:
    """Return how many images wait for an answer."""
    table = tables.LabelTask
    open_ = select(func.count()).where(table.project == project, table.state == states.TaskState.OPEN)
    return await session.scalar(open_) or 0


async def hosted_sets(session: AsyncSession, project: str) -> set[str]:
    """Return the kinds of the project's hosted data sets; with a TRAIN set a version can be ordered by name."""
    table = tables.HostedDataset
    kinds = select(table.kind).where(table.project == project, table.version_id.is_(None))
    return set(await session.scalars(kinds))


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
