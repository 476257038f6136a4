"""What the rows state about objects of the bucket, for a part of a listing."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, any_, collate, literal, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import QueryableAttribute

from strop_contracts import keys, tables

COPIES = 10
"""Copies of one image that are looked at."""

Bounds = tuple[str, str | None]
"""A part of a listing: keys after the first one, up to the second one; None: all that follow."""


async def projects(session: AsyncSession) -> Sequence[str]:
    """Return the projects that are not being deleted."""
    return (await session.scalars(select(tables.Project.name).where(tables.Project.deletion_id.is_(None)))).all()


async def labels(session: AsyncSession, captures: Collection[UUID]) -> Mapping[UUID, str | None]:
    """Return the ground truth of captures; those without are left out."""
    table = tables.GroundTruth
    wanted = table.capture_id == any_(literal(list(captures), postgresql.ARRAY(Uuid)))
    return dict((await session.execute(select(table.capture_id, table.label).where(wanted))).all())


async def dataset_items(session: AsyncSession, project: str, bounds: Bounds) -> Mapping[str, tuple[datetime, datetime]]:
    """Return when the file of each key was written, and when its row was."""
    table = tables.DatasetItem
    rows = select(table.key, table.placed_at, table.at).where(table.project == project, *_within(table.key, bounds))
    return {key: (placed_at, at) for key, placed_at, at in await session.execute(rows)}


async def image_hashes(session: AsyncSession, project: str, bounds: Bounds) -> Sequence[str]:
    table = tables.Image
    within = _within(table.sha256, bounds)
    return (await session.scalars(select(table.sha256).where(table.project == project, *within))).all()


async def copies(session: AsyncSession, project: str, sha256: str) -> Sequence[str]:
    """Return keys at which the bytes of an image may lie as well: of captures, labelled or not, and of base images."""
    capture, truth, item = tables.Capture, tables.GroundTruth, tables.DatasetItem
    shown = select(capture, truth.label).outerjoin(truth, truth.capture_id == capture.id)
    shown = shown.where(capture.project == project, capture.sha256 == sha256).limit(COPIES)
    base = select(item.key).where(item.project == project, item.sha256 == sha256).limit(COPIES)
    copied = [_copy(each, label) for each, label in await session.execute(shown)]
    return [*copied, *await session.scalars(base)]


def _copy(capture: tables.Capture, label: str | None) -> str:
    return keys.upload(capture) if label is None else keys.labeled(capture, label)


def _within(column: QueryableAttribute[str], bounds: Bounds) -> list[Any]:
    """Return the conditions of a part of a listing, in the order in which S3 lists."""
    after, until = bounds
    ordered = collate(column, "C")
    return [ordered > after, *([ordered <= until] if until is not None else [])]
