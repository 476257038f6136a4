"""Counts of devices: their maximum for each boot, and sums by the hour. The caller holds the locks of the devices."""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, func, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from ingest import rules, usage
from ingest.queries import pairs
from strop import db
from strop_contracts import tables


async def get(session: AsyncSession, boots: Collection[usage.Boot]) -> usage.Reported:
    """Return what is stored of these boots, with the highest sequence number."""
    rows = await session.execute(_USAGE, _arrays(boots))
    return {(row.project, row.device, row.boot, row.model, row.policy): (row.sequence, row.usage) for row in rows}


async def rows_of(session: AsyncSession, devices: Collection[rules.Device]) -> Counter[rules.Device]:
    """Return how many rows of counts each of these devices has."""
    rows = await session.execute(_ROWS, pairs.parameters(devices))
    return Counter({(project, device): count for project, device, count in rows})


async def put(session: AsyncSession, stored: usage.Reported, at: datetime) -> None:
    names = ("project", "device", "boot", "model", "policy")
    rows = [
        {**dict(zip(names, key, strict=True)), "sequence": sequence, "at": at, "usage": counts}
        for key, (sequence, counts) in sorted(stored.items(), key=lambda each: each[0])
    ]
    await db.replace_many(session, tables.DeviceUsage, rows)


async def add_to_hours(session: AsyncSession, more: Mapping[usage.HourKey, Mapping[str, Any]]) -> None:
    """Add counts to the rows of their hours."""
    await _add(session, tables.UsageHour, _HOURS, more)


async def add_to_days(session: AsyncSession, more: Mapping[usage.DayKey, Mapping[str, Any]]) -> None:
    """Add counts to the rows of their days. The caller is the only one that does."""
    await _add(session, tables.UsageDay, _DAYS, more)


async def _add(
    session: AsyncSession,
    table: type[tables.UsageHour | tables.UsageDay],
    stored: Select[Any],
    more: Mapping[tuple[Any, ...], Mapping[str, Any]],
) -> None:
    if not more:
        return
    names = [column.name for column in table.__mapper__.primary_key]
    rows = await session.execute(stored, _arrays(more))
    known = {tuple(getattr(row, name) for name in names): usage.columns(row) for row in rows}
    added = [
        {**dict(zip(names, key, strict=True)), **(usage.total(known[key], new) if key in known else new)}
        for key, new in sorted(more.items(), key=lambda each: each[0])
    ]
    await db.replace_many(session, table, added)


def _among(*columns: InstrumentedAttribute[Any]) -> Any:
    """Return the condition that columns are one of the rows that `_arrays` passes."""
    arrays = [bindparam(f"c{i}", type_=ARRAY(column.type)) for i, column in enumerate(columns)]
    listed = func.unnest(*arrays).table_valued(*(f"c{i}" for i in range(len(columns)))).render_derived()
    return tuple_(*columns).in_(select(*listed.c))


def _arrays(rows: Collection[tuple[Any, ...]]) -> dict[str, list[Any]]:
    return {f"c{i}": list(column) for i, column in enumerate(zip(*rows, strict=True))}


_STORED = tables.DeviceUsage
_USAGE = select(*_STORED.__table__.c).where(_among(_STORED.project, _STORED.device, _STORED.boot))
_DEVICE = _STORED.project, _STORED.device
_ROWS = select(*_DEVICE, func.count()).where(pairs.among(*_DEVICE)).group_by(*_DEVICE)
_HOURS, _DAYS = (
    select(*table.__table__.c).where(_among(*(getattr(table, column.name) for column in table.__mapper__.primary_key)))
    for table in (tables.UsageHour, tables.UsageDay)
)
