"""The devices of a project, one page at a time: what each last reported, and what it counted in the last day."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, case, cast, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from strop_contracts import control_fleet as documents
from strop_contracts import errors, tables

WINDOW = timedelta(hours=24)
"""Time over which a device's counts are summed, in whole hours."""
ONLINE = timedelta(minutes=5)
"""A device that was seen within this time counts as online."""

_DEVICE, _HOUR = tables.Device, tables.UsageHour


@dataclass(frozen=True, slots=True)
class Summary:
    """How many devices a project has, by what they last reported."""

    devices: int
    online: int
    with_errors: int
    models: dict[str, int]  # devices by model, most frequent first; "" before the first report of one
    groups: dict[str, int]  # "" is no group


async def page(session: AsyncSession, project: str, wanted: documents.Page) -> documents.Fleet:
    """Return one page of the devices, and how many there are on all pages."""
    chosen = _chosen(project, wanted)
    total = await session.scalar(select(func.count()).select_from(chosen.subquery()))
    ordered = chosen.order_by(*_order(wanted), _DEVICE.name)
    rows = (await session.scalars(ordered.offset(wanted.offset).limit(wanted.limit))).all()
    return documents.Fleet(total=total or 0, devices=await _described(session, project, rows))


async def device(session: AsyncSession, project: str, name: str) -> documents.Device:
    """Return one device; NotFound if it is not enrolled."""
    row = await session.get(_DEVICE, (project, name))
    if row is None:
        raise errors.NotFound(f"There is no device {name} in project {project}.")
    return (await _described(session, project, [row]))[0]


async def summary(session: AsyncSession, project: str) -> Summary:
    seen = _DEVICE.seen_at > datetime.now(UTC) - ONLINE
    counts = select(func.count(), func.count().filter(seen), func.count().filter(_with_errors()))
    devices, online, with_errors = (await session.execute(counts.where(_DEVICE.project == project))).one()
    models, groups = [await _by(session, project, each) for each in (_DEVICE.model, _DEVICE.device_group)]
    return Summary(devices, online, with_errors, models, groups)


async def _by(session: AsyncSession, project: str, kind: Any) -> dict[str, int]:
    count = func.count()
    rows = select(kind, count).where(_DEVICE.project == project).group_by(kind).order_by(count.desc(), kind)
    return {value or "": number for value, number in await session.execute(rows)}


def _chosen(project: str, wanted: documents.Page) -> Select[tables.Device]:
    chosen = select(_DEVICE).where(_DEVICE.project == project)
    if wanted.group is not None:
        chosen = chosen.where(_DEVICE.device_group == wanted.group)
    if wanted.model is not None:
        chosen = chosen.where(func.coalesce(_DEVICE.model, "") == wanted.model)
    if wanted.name:
        chosen = chosen.where(_DEVICE.name.icontains(wanted.name, autoescape=True))
    return chosen.where(_with_errors()) if wanted.only_errors else chosen


def _with_errors() -> ColumnElement[bool]:
    return func.jsonb_array_length(_DEVICE.errors) > 0


def _order(wanted: documents.Page) -> list[Any]:
    """Return what to order by: a device that was never seen comes before all others, v2 before v10."""
    sort = documents.Sort
    keys: dict[documents.Sort, list[Any]] = {
        sort.NAME: [_DEVICE.name],
        sort.GROUP: [_DEVICE.device_group],
        sort.MODEL: [func.length(func.coalesce(_DEVICE.model, "")), _DEVICE.model],
        sort.SEEN: [func.coalesce(_DEVICE.seen_at, datetime.min.replace(tzinfo=UTC))],
        sort.SPOOL: [_DEVICE.spool_bytes],
        sort.DROPPED: [_dropped()],
        sort.ERRORS: [func.jsonb_array_length(_DEVICE.errors)],
    }
    return [key.desc() if wanted.descending else key for key in keys[wanted.sort]]


def _dropped() -> ColumnElement[int]:
    each = func.jsonb_each_text(_DEVICE.dropped).table_valued("key", "value").render_derived()
    total = select(func.coalesce(func.sum(cast(each.c.value, BigInteger)), 0)).select_from(each)
    # Most devices have lost nothing: the sum is then not made.
    return case((_DEVICE.dropped == {}, 0), else_=total.scalar_subquery())


async def _described(session: AsyncSession, project: str, rows: Collection[tables.Device]) -> list[documents.Device]:
    """Add what the devices counted to their rows, in the same order."""
    names = [row.name for row in rows]
    sums, labels = await _sums(session, project, names), await _labels(session, project, names)
    return [
        documents.Device(
            name=row.name,
            group=row.device_group,
            model=row.model,
            agent=row.agent,
            seen_at=row.seen_at,
            spool_items=row.spool_items,
            spool_bytes=row.spool_bytes,
            dropped=row.dropped,
            errors=row.errors,
            labels=labels.get(row.name, {}),
            **sums.get(row.name, {}),
        )
        for row in rows
    ]


async def _sums(session: AsyncSession, project: str, names: Collection[str]) -> dict[str, dict[str, int]]:
    """Return the sums of the counts of each device by the name of the column."""
    columns = ("classified", "rejected", "failed", "low")
    sums = [func.sum(getattr(_HOUR, name)).label(name) for name in columns]
    since = datetime.now(UTC) - WINDOW
    recent = select(_HOUR.device, *sums).where(_HOUR.project == project, _HOUR.device.in_(names), _HOUR.hour >= since)
    found = recent.group_by(_HOUR.device)
    return {device: dict(zip(columns, counts, strict=True)) for device, *counts in await session.execute(found)}


async def _labels(session: AsyncSession, project: str, names: Collection[str]) -> dict[str, dict[str, int]]:
    """Return the images of each device by predicted label, most frequent first."""
    since = datetime.now(UTC) - WINDOW
    rows = await session.execute(_LABELS, {"project": project, "names": list(names), "since": since})
    labels: dict[str, dict[str, int]] = defaultdict(dict)
    for name, label, images in rows:
        labels[name][label] = images
    return labels


_LABELS = text("""
select device, label, sum(bin.images::bigint)::bigint as images
from usage_hours, jsonb_each(predictions) as by_label (label, bins), jsonb_array_elements_text(bins) as bin (images)
where project = :project and device = any(:names) and hour >= :since
group by device, label
order by images desc, label
""")
