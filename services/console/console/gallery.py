"""The labelled images of a project, wherever they came from: hosted data sets, a fleet's base set, its field images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, String, Subquery, case, cast, func, literal, select, union_all
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from console import rules
from strop_contracts import tables

PAGE = 60
"""Images on a page."""

EMPTY = cast(literal("[]"), JSONB)


@dataclass(frozen=True)
class Part:
    """One set of images: rows of (name, sha256, labels, problems, place), place giving their order."""

    key: str
    title: str
    rows: Subquery
    total: int = 0
    set: tables.HostedDataset | None = None


@dataclass(frozen=True)
class Label:
    name: str
    images: int


@dataclass(frozen=True)
class Wanted:
    """What a person looks for. `label` "" means images without one."""

    label: str | None = None
    text: str = ""
    page: int = 1


@dataclass(frozen=True)
class Found:
    pictures: Sequence[Any]
    total: int
    page: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // PAGE))


async def parts(session: AsyncSession, project: str) -> list[Part]:
    """Return the sets of a project that have images; refused images are in the last part, `errors`, alone."""
    hosted = await session.scalars(
        select(tables.HostedDataset)
        .where(tables.HostedDataset.project == project, tables.HostedDataset.version_id.is_(None))
        .order_by(tables.HostedDataset.kind.desc())
    )
    sets = [_hosted(dataset) for dataset in hosted]
    sets += [_base(project, "train", "Base: train"), _base(project, "valid", "Base: held out"), _field(project)]
    good = [await _counted(session, _part(one, refused=False)) for one in sets]
    rows = union_all(*(select(one.rows) for one in sets)).subquery()
    bad = await _counted(session, _part(Part("errors", "Errors", rows), refused=True))
    return [part for part in good if part.total or part.set] + ([bad] if bad.total else [])


def _part(part: Part, *, refused: bool) -> Part:
    """Return the refused images of a part, or the others."""
    problems = func.jsonb_array_length(part.rows.c.problems)
    return replace(part, rows=select(part.rows).where(problems > 0 if refused else problems == 0).subquery())


def _hosted(dataset: tables.HostedDataset) -> Part:
    table = tables.HostedEntry
    rows = _rows(table.source_ref, table.sha256, table.labels, table.errors, table.position)
    title = {"TRAIN": "Train", "TEST": "Test"}[dataset.kind]
    return Part(title.lower(), title, rows.where(table.dataset_id == dataset.id).subquery(), set=dataset)


def _base(project: str, split: str, title: str) -> Part:
    table = tables.DatasetItem
    refused = func.jsonb_build_array(func.jsonb_build_object("code", "REFUSED", "message", table.refused))
    problems = case((table.refused.is_(None), EMPTY), else_=refused)
    place = func.row_number().over(order_by=(table.label, table.key))
    rows = _rows(table.key, table.sha256, func.jsonb_build_array(table.label), problems, place)
    return Part(f"base-{split}", title, rows.where(table.project == project, table.split == split).subquery())


def _field(project: str) -> Part:
    table = tables.GroundTruth
    labels = case((table.label.is_(None), EMPTY), else_=func.jsonb_build_array(table.label))
    name = table.device + "/" + cast(table.capture_id, String)
    place = func.row_number().over(order_by=table.at.desc())
    rows = _rows(name, table.sha256, labels, EMPTY, place)
    return Part("field", "Field", rows.where(table.project == project).subquery())


def _rows(name: Any, sha256: Any, labels: Any, problems: Any, place: Any) -> Select[Any]:
    named = (("name", name), ("sha256", sha256), ("labels", labels), ("problems", problems), ("place", place))
    return select(*(column.label(title) for title, column in named))


async def _counted(session: AsyncSession, part: Part) -> Part:
    return replace(part, total=await session.scalar(select(func.count()).select_from(part.rows)) or 0)


async def labels(session: AsyncSession, part: Part) -> list[Label]:
    """Labels with their numbers of images, by name; images without a label come as ""."""
    name = func.jsonb_array_elements_text(part.rows.c.labels).label("name")
    each = select(name).subquery()
    counts = select(each.c.name, func.count()).group_by(each.c.name).order_by(func.lower(each.c.name))
    found = [Label(name, images) for name, images in await session.execute(counts)]
    bare = select(func.count()).where(func.jsonb_array_length(part.rows.c.labels) == 0).select_from(part.rows)
    without = await session.scalar(bare) or 0
    return [*found, Label("", without)] if without else found


async def find(session: AsyncSession, part: Part, wanted: Wanted) -> Found:
    """One page of the images that fit."""
    rows = select(part.rows)
    if wanted.label == "":
        rows = rows.where(func.jsonb_array_length(part.rows.c.labels) == 0)
    elif wanted.label is not None:
        rows = rows.where(part.rows.c.labels.contains([wanted.label]))
    if wanted.text:
        like = f"%{rules.escape_like(wanted.text)}%"
        rows = rows.where(part.rows.c.name.ilike(like) | cast(part.rows.c.labels, String).ilike(like))
    total = await session.scalar(select(func.count()).select_from(rows.subquery())) or 0
    page = min(max(1, wanted.page), max(1, -(-total // PAGE)))
    shown = rows.order_by(part.rows.c.place).offset(PAGE * (page - 1)).limit(PAGE)
    return Found((await session.execute(shown)).all(), total, page)
