"""Files of base data sets."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import object_keys
from strop import db
from strop_contracts import tables


async def lock(session: AsyncSession, key: str) -> None:
    """Wait until no other transaction writes the row of this key; the end of this transaction releases the lock."""
    await db.lock(session, f"dataset-item {key}")


async def put(
    session: AsyncSession,
    key: str,
    image: object_keys.DatasetImage,
    placed_at: datetime,
    sequencer: str,
    **judged: str | None,
) -> None:
    """Store an image of a base data set (`sha256`) or why it was `refused`; a file written again replaces its row.

    The sequencer of a late event never replaces a newer one.
    """
    table = tables.DatasetItem
    values = {"label": image.label, "placed_at": placed_at, "sha256": None, "refused": None, **judged}
    about = {"project": image.project, "key": key, "dataset": image.dataset, "split": image.split}
    new = postgresql.insert(table).values(**about, **values, sequencer=sequencer.lower().rjust(32, "0"))
    newest = func.greatest(table.sequencer, new.excluded.sequencer)
    changes = {**values, "sequencer": newest, "at": func.now()}
    await session.execute(new.on_conflict_do_update(index_elements=[table.project, table.key], set_=changes))


async def remove(session: AsyncSession, project: str, key: str) -> bool:
    """Delete the row of a file; False if there was none."""
    table = tables.DatasetItem
    statement = delete(table).where(table.project == project, table.key == key).returning(table.key)
    return (await session.execute(statement)).first() is not None


async def hashes(session: AsyncSession, project: str, keys: Collection[str]) -> dict[str, str | None]:
    """Return the sha256 of each of these files that has a row; None if it is refused."""
    table = tables.DatasetItem
    rows = await session.execute(select(table.key, table.sha256).where(table.project == project, table.key.in_(keys)))
    return {row.key: row.sha256 for row in rows}


async def outcomes(
    session: AsyncSession, project: str, keys: Collection[str], since: datetime
) -> dict[str, str | None]:
    """Return why each of these files was refused, or None, if its row was written since then."""
    table = tables.DatasetItem
    wanted = (table.project == project, table.key.in_(keys), table.at >= since)
    rows = await session.execute(select(table.key, table.refused).where(*wanted))
    return {row.key: row.refused for row in rows}


async def of_set(session: AsyncSession, project: str, dataset: str) -> Sequence[str]:
    """Return the keys of a data set, sorted."""
    table = tables.DatasetItem
    wanted = select(table.key).where(table.project == project, table.dataset == dataset).order_by(table.key)
    return (await session.scalars(wanted)).all()


async def of_project(session: AsyncSession, project: str) -> Sequence[tables.DatasetItem]:
    """Return the rows of all data sets of a project."""
    table = tables.DatasetItem
    return (await session.scalars(select(table).where(table.project == project).order_by(table.key))).all()
