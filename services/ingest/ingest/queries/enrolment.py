"""Projects, and which devices are enrolled."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from strop_contracts import tables


async def add_device(session: AsyncSession, project: str, name: str) -> bool:
    """False when there is one of this name."""
    return await _add(session, tables.Device, project=project, name=name)


async def remove_device(session: AsyncSession, project: str, name: str) -> bool:
    """False when there is none of this name."""
    table = tables.Device
    statement = delete(table).where(table.project == project, table.name == name).returning(table.name)
    return (await session.execute(statement)).first() is not None


async def _add(session: AsyncSession, table: type[tables.Base], **values: Any) -> bool:
    statement = postgresql.insert(table).values(**values).on_conflict_do_nothing().returning(table.__table__.c.at)
    return (await session.execute(statement)).first() is not None


async def has_project(session: AsyncSession, name: str) -> bool:
    """Is there such a project? One that is being deleted counts no more."""
    found = await session.get(tables.Project, name)
    return found is not None and found.deletion_id is None


async def devices(session: AsyncSession, project: str) -> Sequence[tables.Device]:
    wanted = select(tables.Device).where(tables.Device.project == project).order_by(tables.Device.name)
    return (await session.scalars(wanted)).all()
