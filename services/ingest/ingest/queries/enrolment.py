"""Projects, and which devices are enrolled."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from strop_contracts import tables


async def add_device(session: AsyncSession, project: str, name: str, alias: str | None) -> bool:
    """False when there is one of this name."""
    return await _add(session, tables.Device, project=project, name=name, alias=alias)


async def of_alias(session: AsyncSession, alias: str) -> tables.Device | None:
    return await session.scalar(select(tables.Device).where(tables.Device.alias == alias))


async def remove_device(session: AsyncSession, project: str, name: str) -> bool:
    """False when there is none of this name."""
    table = tables.Device
    statement = delete(table).where(table.project == project, table.name == name).returning(table.name)
    return (await session.execute(statement)).first() is not None


async def set_group(session: AsyncSession, project: str, names: Collection[str], group: str) -> set[str]:
    """Set the group of devices; returns the names of those that exist. They are locked in the order of `devices.lock`."""
    table = tables.Device
    chosen = (table.project == project) & table.name.in_(names)
    locked = select(table.name).where(chosen).order_by(table.name).with_for_update(key_share=True)
    known = set(await session.scalars(locked))
    await session.execute(update(table).where(chosen).values(device_group=group))
    return known


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
