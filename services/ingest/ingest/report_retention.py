"""Bounds what is stored of the boots of devices: a device that names a new `boot` in every message would fill the tables."""

from datetime import timedelta

from sqlalchemy import delete, exists, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from strop import db
from strop_contracts import tables

PERIOD = 600.0
"""Seconds between two runs."""
KEEP = 100
"""Boots of a device whose last report is kept; older ones are deleted."""
KEEP_USAGE = 200
"""Rows of counts of a device that stay; the others are deleted, oldest change first. See `usage.MAX_ROWS`."""
MAX_AGE = timedelta(days=30)
"""A boot without a report for this time is deleted once a later one has reported."""


async def prune(make: db.Sessions) -> None:
    """Delete the reports and counts of each device's older boots, by the time of the last report. Commits.

    The counts stay in `usage_hours`. A state of a deleted boot that arrives later is counted again.
    """
    async with db.tick(make, "ingest: prune reports") as session:
        if session is not None:
            await _keep_newest(session, tables.DeviceReport, KEEP)
            await _keep_newest(session, tables.DeviceUsage, KEEP_USAGE)
            await _remove_old(session)
            await _remove_unreported(session)


async def _keep_newest(session: AsyncSession, table: type[tables.DeviceReport | tables.DeviceUsage], keep: int) -> None:
    """Only devices with more rows are ranked: there are few."""
    device = (table.project, table.device)
    many = select(*device).group_by(*device).having(func.count() > keep)
    key = table.__mapper__.primary_key
    newest_first = func.row_number().over(partition_by=device, order_by=table.at.desc())
    ranked = select(*key, newest_first.label("rank")).where(tuple_(*device).in_(many)).subquery()
    old = select(*(ranked.c[column.name] for column in key)).where(ranked.c.rank > keep)
    await session.execute(delete(table).where(tuple_(*key).in_(old)))


async def _remove_old(session: AsyncSession) -> None:
    table, later = tables.DeviceReport, aliased(tables.DeviceReport)
    has_later = exists().where(later.project == table.project, later.device == table.device, later.at > table.at)
    await session.execute(delete(table).where(table.at < func.now() - MAX_AGE, has_later))


async def _remove_unreported(session: AsyncSession) -> None:
    table, report = tables.DeviceUsage, tables.DeviceReport
    reported = exists().where(report.project == table.project, report.device == table.device, report.boot == table.boot)
    await session.execute(delete(table).where(~reported))
