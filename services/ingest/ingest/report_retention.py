"""Bounds the reports of devices: a device that names a new `boot` in every message would fill the table."""

from sqlalchemy import delete, func, select, tuple_

from strop import db
from strop_contracts import tables

PERIOD = 600.0
"""Seconds between two runs."""
KEEP = 100
"""Boots of a device whose last report is kept; older ones are deleted."""


async def prune(make: db.Sessions) -> None:
    """Delete the reports of each device's older boots, by the time of the last report. Commits."""
    table = tables.DeviceReport
    newest_first = func.row_number().over(partition_by=(table.project, table.device), order_by=table.at.desc())
    ranked = select(table.project, table.device, table.boot, newest_first.label("rank")).subquery()
    old = select(ranked.c.project, ranked.c.device, ranked.c.boot).where(ranked.c.rank > KEEP)
    async with db.tick(make, "ingest: prune reports") as session:
        if session is not None:
            await session.execute(delete(table).where(tuple_(table.project, table.device, table.boot).in_(old)))
