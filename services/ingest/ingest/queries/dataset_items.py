"""Files of base data sets."""

from datetime import datetime

from sqlalchemy import delete, func
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
