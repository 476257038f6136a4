"""Images whose verified bytes are stored."""

from collections.abc import Collection, Iterable, Mapping
from operator import itemgetter
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ingest.queries import pairs
from strop import db
from strop_contracts import tables


async def known(session: AsyncSession, wanted: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return those of these images, by (project, sha256), that are stored."""
    table = tables.Image
    statement = select(table.project, table.sha256).where(pairs.among(table.project, table.sha256))
    return {(project, sha256) for project, sha256 in await session.execute(statement, pairs.parameters(wanted))}


async def add(session: AsyncSession, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert images whose bytes are stored; existing rows stay as they are."""
    await db.insert_many(session, tables.Image, sorted(rows, key=itemgetter("project", "sha256")))
