"""What live accuracy reads and writes in Postgres. Nothing here commits."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from router.quality import drift, measure, sample
from strop_contracts import control_quality, states, strata, tables

Hour, Estimate, Model, Report = (
    *(tables.QualityHour, tables.QualityEstimate),
    *(tables.QualityModel, tables.QualityReport),
)
KEEP = timedelta(days=400)
"""How long counts by the hour and estimates are kept."""
REPORTED = timedelta(days=8)
"""How long `usage_hours` are kept: the longest window at first."""

_FOLD = text(
    """
    with counted as (
      select usage.model, usage.hour, usage.predictions, usage.rejected,
             coalesce(devices.device_group, '') as device_group
      from usage_hours usage left join devices on devices.project = usage.project and devices.name = usage.device
      where usage.project = :project and usage.hour >= :since
    ), labels as (
      select model, device_group, hour, each.key as label,
             jsonb_build_array(sum((each.value->>0)::bigint), sum((each.value->>1)::bigint),
               sum((each.value->>2)::bigint), sum((each.value->>3)::bigint), sum((each.value->>4)::bigint),
               sum((each.value->>5)::bigint), sum((each.value->>6)::bigint), sum((each.value->>7)::bigint),
               sum((each.value->>8)::bigint), sum((each.value->>9)::bigint)) as bins
      from counted, jsonb_each(predictions) each group by model, device_group, hour, each.key
    ), hours as (
      select model, device_group, hour, sum(rejected) as rejected from counted group by model, device_group, hour
    )
    insert into quality_hours (project, model, device_group, hour, predictions, rejected)
    select :project, hours.model, hours.device_group, hours.hour,
           jsonb_object_agg(labels.label, labels.bins), hours.rejected
    from hours join labels using (model, device_group, hour)
    group by hours.model, hours.device_group, hours.hour, hours.rejected
    """
)

_AUDITS = text(
    """
    select captures.model, coalesce(devices.device_group, '') as device_group, captures.label,
           width_bucket(captures.confidence, cast(:edges as float8[])) as stratum, captures.audit_probability,
           case when coalesce(tasks.probability, 1) > 0 then truth.label end as truth, tasks.probability as second,
           count(*) as audits, avg(captures.confidence) as confidence
    from captures
    left join devices on devices.project = captures.project and devices.name = captures.device
    left join ground_truth truth on truth.capture_id = captures.id
    left join label_tasks tasks on tasks.capture_id = captures.id
    where captures.project = :project and captures.audit and captures.at >= :since and captures.audit_probability > 0
    group by 1, 2, 3, 4, 5, 6, 7
    """
)

_LABELLED = text(
    """
    select captures.model, count(*) as labelled from ground_truth truth join captures on captures.id = truth.capture_id
    where truth.project = :project and truth.label is not null and captures.audit
    group by captures.model
    """
)


async def projects(session: AsyncSession) -> Sequence[str]:
    """Return the projects whose devices have counted images, without those that are being deleted."""
    table = tables.Project
    counted = select(tables.UsageHour.project).where(tables.UsageHour.project == table.name).exists()
    return (await session.scalars(select(table.name).where(table.deletion_id.is_(None), counted))).all()


async def exists(session: AsyncSession, project: str) -> bool:
    """Whether there is this project, and it is not being deleted."""
    table = tables.Project
    known = select(table.name).where(table.name == project, table.deletion_id.is_(None))
    return await session.scalar(known) is not None


async def fold(session: AsyncSession, project: str) -> None:
    """Sum up the counts of devices by the hour. The newest hours, whose counts may have grown, are summed up again."""
    newest = await session.scalar(select(func.max(Hour.hour)).where(Hour.project == project))
    earliest = await session.scalar(select(func.date_trunc("hour", func.now() - REPORTED)))
    assert earliest
    since = max(newest - timedelta(hours=1), earliest) if newest else earliest
    await session.execute(delete(Hour).where(Hour.project == project, Hour.hour >= since))
    await session.execute(_FOLD, {"project": project, "since": since})


async def seen(session: AsyncSession, project: str, since: datetime) -> list[measure.Seen]:
    """Return counts and audits from this time on, by model and device group."""
    bins = await _bins(session, project, since)
    audits: dict[tuple[str, str], list[sample.Audit]] = defaultdict(list)
    for row in await session.execute(_AUDITS, {"project": project, "since": since, "edges": list(strata.EDGES)}):
        audits[row.model, row.device_group].append(
            sample.Audit(row.label, row.confidence, 1 / row.audit_probability, row.truth, row.second, row.audits)
        )
    return [measure.Seen(*key, found, audits[key]) for key, found in bins.items()]


async def covered(session: AsyncSession, project: str, since: datetime) -> float:
    """Return the hours since the first image that was counted from this time on; at least one."""
    first = func.min(Hour.hour)
    age = func.extract("epoch", func.now() - first)
    seconds = await session.scalar(select(age).where(Hour.project == project, Hour.hour >= since))
    return max(1.0, float(seconds or 0) / 3600)


async def _bins(
    session: AsyncSession, project: str, since: datetime
) -> Mapping[tuple[str, str], Mapping[str, Sequence[int]]]:
    wanted = select(Hour.model, Hour.device_group, Hour.predictions).where(Hour.project == project, Hour.hour >= since)
    rows: dict[tuple[str, str], dict[str, list[Sequence[int]]]] = defaultdict(lambda: defaultdict(list))
    for model, group, predictions in await session.execute(wanted):
        for label, bins in predictions.items():
            rows[model, group][label].append(bins)
    return {key: {label: measure.total(each) for label, each in labels.items()} for key, labels in rows.items()}


async def hours(session: AsyncSession, project: str, model: str) -> list[tuple[datetime, drift.Hour]]:
    """Return the completed hours of a model, of all devices: its first, and those of the newest window."""
    completed = Hour.project == project, Hour.model == model, Hour.hour < func.date_trunc("hour", func.now())
    first = select(Hour.hour).where(*completed).distinct().order_by(Hour.hour).limit(drift.REFERENCE)
    last = select(Hour.hour).where(*completed).distinct().order_by(Hour.hour.desc()).limit(drift.WINDOW)
    wanted = {*await session.scalars(first), *await session.scalars(last)}
    rows = await session.execute(
        select(Hour.hour, Hour.predictions, Hour.rejected).where(*completed, Hour.hour.in_(wanted)).order_by(Hour.hour)
    )
    found: dict[datetime, list[tuple[Any, int]]] = defaultdict(list)
    for hour, predictions, rejected in rows:
        found[hour].append((predictions, rejected))
    return [(hour, _hour(parts)) for hour, parts in found.items()]


def _hour(parts: Sequence[tuple[Mapping[str, Sequence[int]], int]]) -> drift.Hour:
    labels = {label for predictions, _ in parts for label in predictions}
    return drift.Hour(
        {label: measure.total([each[label] for each, _ in parts if label in each]) for label in labels},
        sum(rejected for _, rejected in parts),
    )


async def store(
    session: AsyncSession, project: str, hour: datetime, window: timedelta, found: Sequence[control_quality.Estimate]
) -> None:
    """Keep the estimates, in place of those of the same hour."""
    await session.execute(delete(Estimate).where(Estimate.project == project, Estimate.at == hour))
    for each in found:
        session.add(
            Estimate(
                project=project,
                at=hour,
                window_seconds=round(window.total_seconds()),
                estimate=each.value,
                predictions=each.images,
                free_estimate=each.free,
                **each.model_dump(exclude={"value", "images", "free"}),
            )
        )


async def prune(session: AsyncSession) -> None:
    """Delete what is older than `KEEP`."""
    await session.execute(delete(Estimate).where(Estimate.at < func.now() - KEEP))
    await session.execute(delete(Hour).where(Hour.hour < func.now() - KEEP))


async def labelled(session: AsyncSession, project: str) -> dict[str, int]:
    """Return how many audits of each model have a label, of all times."""
    rows = await session.execute(_LABELLED, {"project": project})
    return {row.model: row.labelled for row in rows}


async def expected(session: AsyncSession, project: str) -> dict[str, tuple[float, float]]:
    """Return the accuracy of each model on the field images of its evaluation, and the low end of its interval."""
    table = tables.Evaluation
    wanted = select(table.model_version, table.metrics).where(
        table.project == project, table.part == states.EvaluationPart.FIELD
    )
    rows = (await session.execute(wanted)).all()
    return {f"v{version}": (m.accuracy.value, m.accuracy.low) for version, m in rows if m.accuracy}


async def state(session: AsyncSession, project: str, model: str) -> tables.QualityModel:
    """Return the row of the test of a model; a new one at first."""
    new = insert(Model).values(project=project, model=model).on_conflict_do_nothing()
    await session.execute(new)
    return (await session.scalars(select(Model).where(Model.project == project, Model.model == model))).one()


async def degraded(session: AsyncSession, project: str) -> list[tables.QualityModel]:
    wanted = select(Model).where(Model.project == project, Model.degraded_at.is_not(None))
    return list(await session.scalars(wanted))


async def report(
    session: AsyncSession, project: str, found: control_quality.Quality, second: Mapping[str, Any]
) -> None:
    """Keep the newest report of a project."""
    new = insert(Report).values(project=project, at=found.at, report=found, second=dict(second))
    values = {name: new.excluded[name] for name in ("at", "report", "second")}
    await session.execute(new.on_conflict_do_update(index_elements=[Report.project], set_=values))


async def is_planned(session: AsyncSession, project: str, wished: float, within: timedelta) -> bool:
    """Whether the newest report has a plan for this wish, and the policy was changed within this time."""
    policy = select(tables.Policy.at).where(tables.Policy.project == project, tables.Policy.at > func.now() - within)
    known = await session.get(Report, project)
    planned = known is not None and known.report.plan is not None and known.report.plan.wished == wished
    return planned and await session.scalar(policy.limit(1)) is not None


async def history(session: AsyncSession, project: str, limit: int) -> list[control_quality.Point]:
    """Return the newest points of the accuracy of all devices, the oldest first."""
    overall = Estimate.measure == "accuracy", Estimate.label == "", Estimate.device_group == ""
    wanted = select(Estimate).where(Estimate.project == project, *overall).order_by(Estimate.at.desc()).limit(limit)
    rows = reversed((await session.scalars(wanted)).all())
    return [
        control_quality.Point(model=row.model, at=row.at, value=row.estimate, low=row.low, high=row.high)
        for row in rows
    ]
