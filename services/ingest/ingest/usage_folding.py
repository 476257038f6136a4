"""Folds counts of devices by the hour into counts of groups by the day, once they are old; keeps those for 400 days."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import queries, usage
from strop import db, loops
from strop_contracts import tables

PERIOD = 600.0
"""Seconds between two runs."""
HOURS_KEPT = timedelta(days=8)
DAYS_KEPT = timedelta(days=400)
BATCH = 1000
"""Rows of `usage_hours` that one transaction folds."""

_HOUR, _DAY = tables.UsageHour, tables.UsageDay


async def fold(make: db.Sessions) -> None:
    """Fold what is older than `HOURS_KEPT`, in transactions of `BATCH` rows, and delete what is older than `DAYS_KEPT`. Commits."""
    now = datetime.now(UTC)
    async with make.begin() as session:
        await session.execute(delete(_DAY).where(_DAY.day < (now - DAYS_KEPT).date()))
        projects = await session.scalars(select(_HOUR.project).where(_HOUR.hour < now - HOURS_KEPT).distinct())
    for project in projects.all():
        with loops.isolated(tick="fold usage", project=project):
            while await _fold_batch(make, project, now - HOURS_KEPT) == BATCH:
                pass


async def _fold_batch(make: db.Sessions, project: str, before: datetime) -> int:
    """Move the counts of some rows to their days; returns how many rows. One replica at a time."""
    async with db.tick(make, f"ingest: fold usage {project}") as session:
        if session is None:
            return 0
        rows = await _take(session, project, before)
        groups = await queries.devices.groups(session, {(project, row.device) for row in rows})
        days: dict[usage.DayKey, Mapping[str, Any]] = {}
        for row in rows:
            key = (
                project,
                groups.get((project, row.device), ""),
                row.model,
                row.policy,
                row.hour.astimezone(UTC).date(),
            )
            more = usage.columns(row)
            days[key] = usage.total(days[key], more) if key in days else more
        await queries.usage.add_to_days(session, days)
        return len(rows)


async def _take(session: AsyncSession, project: str, before: datetime) -> Sequence[tables.UsageHour]:
    """Delete up to `BATCH` old rows of a project, and return them."""
    key = _HOUR.__mapper__.primary_key
    old = select(*key).where(_HOUR.project == project, _HOUR.hour < before).order_by(_HOUR.hour).limit(BATCH)
    return (await session.scalars(delete(_HOUR).where(tuple_(*key).in_(old)).returning(_HOUR))).all()
