"""Live accuracy from rows of ingest, the labeling queue and the trainer to the report."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from router import control, policies
from router.quality import queries, ticker
from strop import app, stats
from strop_contracts import control_quality, errors, events, states, tables
from strop_wire import ids, reports
from tests import factories, judged, roles

P, D = factories.PROJECT, factories.DEVICE
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
BINS = [0, 0, 0, 0, 0, 100, 100, 100, 200, 500]


@pytest.fixture(autouse=True)
async def enrolled(runtime: app.Runtime) -> None:
    """One project with a device in the yard, and one of no group."""
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session, devices=(D, "other"))
        (await session.get_one(tables.Device, (P, D))).device_group = "yard"


@pytest.fixture
def quality(runtime: app.Runtime) -> ticker.Quality:
    return ticker.Quality(runtime.sessions)


def hour(predictions: dict[str, list[int]], **changed: Any) -> tables.UsageHour:
    """Return what a device counted in an hour."""
    images = sum(map(sum, predictions.values()))
    latency = [images, *[0] * len(reports.LATENCY_MS)]
    row = {"project": P, "device": D, "model": "v1", "policy": 0, "hour": NOW, "rejected": 0, **changed}
    counts = dict.fromkeys(("failed", "low", "high", "audit"), 0)
    return tables.UsageHour(**row, **counts, classified=images, predictions=predictions, latency=latency)


def audits(label: str, confidence: float, truths: dict[str | None, int], **changed: Any) -> list[tables.Base]:
    """Return audits with this prediction, and their ground truth by label (None: not labelled)."""
    rows: list[tables.Base] = []
    for number, truth in enumerate(truth for truth, count in truths.items() for _ in range(count)):
        body = f"{label} {confidence} {truth} {number} {changed}".encode()
        given = {"label": label, "confidence": confidence, "audit": True, "audit_probability": 0.05, **changed}
        capture = factories.capture(body, id=ids.uuid7(), **given)
        rows.append(capture)
        if truth is not None:
            about = {"capture_id": capture.id, "project": P, "device": capture.device, "sha256": capture.sha256}
            rows.append(tables.GroundTruth(**about, label=truth, author="ada"))
    return rows


async def arrange(runtime: app.Runtime, *rows: tables.Base) -> None:
    async with roles.arranging(runtime).begin() as session:
        session.add_all(rows)


async def report(runtime: app.Runtime) -> control_quality.Quality:
    async with runtime.sessions() as session:
        return (await session.get_one(tables.QualityReport, P)).report


def of(found: control_quality.Quality, **wanted: str) -> control_quality.Estimate:
    wanted = {"measure": "accuracy", "label": "", "device_group": "", **wanted}
    return next(each for each in found.estimates if all(getattr(each, k) == v for k, v in wanted.items()))


async def test_accuracy_weighs_strata_by_the_counts_of_all_devices(
    runtime: app.Runtime, quality: ticker.Quality
) -> None:
    await arrange(
        runtime,
        hour({"can": [0] * 5 + [50] + [0] * 3 + [450]}),
        hour({"can": [0] * 5 + [50] + [0] * 3 + [450]}, device="other", hour=NOW - timedelta(hours=30)),
        *audits("can", 0.55, {"can": 10, "jar": 10}),
        *audits("can", 0.95, {"can": 30, None: 5}),
    )
    await quality.tick()
    found = await report(runtime)
    overall = of(found)
    assert overall.value == pytest.approx(0.1 * 0.5 + 0.9 * 1)
    assert overall.low < overall.value < overall.high
    assert (overall.images, overall.labelled, found.audits, found.labelled) == (1000, 50, 55, 50)
    assert overall.free == pytest.approx(0.1 * 0.55 + 0.9 * 0.95)
    assert of(found, device_group="yard").images == 500
    assert of(found, measure="precision", label="can").value == pytest.approx(0.95)


async def test_counts_that_grow_within_the_hour_replace_the_earlier_sum(
    runtime: app.Runtime, quality: ticker.Quality
) -> None:
    await arrange(runtime, hour({"can": BINS}), *audits("can", 0.95, {"can": 9, "jar": 1}))
    await quality.tick()
    async with roles.arranging(runtime).begin() as session:
        row = (await session.scalars(select(tables.UsageHour))).one()
        row.predictions = {"can": [2 * count for count in BINS], "jar": BINS}
    await quality.tick()
    assert of(await report(runtime)).images == 3000
    async with runtime.sessions() as session:
        points = await queries.history(session, P, 10)
    assert len(points) == 2 or NOW <= points[0].at <= datetime.now(UTC)  # an hour may have ended


async def test_audits_of_known_second_probability_are_weighed(runtime: app.Runtime, quality: ticker.Quality) -> None:
    rare, common = audits("can", 0.95, {"can": 10}), audits("can", 0.951, {"jar": 10})
    tasks = [
        tables.LabelTask(
            id=ids.uuid7(), project=P, capture_id=each.id, device=D, sha256=each.sha256, priority=0, probability=share,
            state=states.TaskState.DONE,
        )
        for rows, share in ((rare, 0.1), (common, 1.0))
        for each in rows
        if isinstance(each, tables.Capture)
    ]  # fmt: skip
    await arrange(runtime, hour({"can": [0] * 9 + [1000]}), *rare, *common, *tasks)
    await quality.tick()
    assert of(await report(runtime)).value == pytest.approx(100 / 110)


async def test_a_project_without_images_has_no_report(quality: ticker.Quality, session: AsyncSession) -> None:
    await quality.tick()
    with pytest.raises(errors.NotFound, match="reported no images"):
        await control.field_accuracy(P, session)


async def test_the_route_returns_the_report_with_its_history(
    runtime: app.Runtime, quality: ticker.Quality, session: AsyncSession
) -> None:
    await arrange(runtime, hour({"can": BINS}), *audits("can", 0.95, {"can": 9, "jar": 1}))
    await quality.tick()
    found = await control.field_accuracy(P, session)
    assert found.history[-1].value == of(found).value


async def evaluated(session: AsyncSession, right: int, images: int) -> None:
    """Add the evaluation of model v1 on field images."""
    metrics = judged.metrics([], accuracy=stats.wilson(right, images))
    session.add(tables.Evaluation(project=P, model_version=1, part=states.EvaluationPart.FIELD, metrics=metrics))


async def degradations(runtime: app.Runtime) -> int:
    async with roles.arranging(runtime)() as session:
        queued = await session.scalars(select(tables.Outbox.body).where(tables.Outbox.queue == "trainer"))
        return sum(isinstance(events.loads(body), events.QualityDegraded) for body in queued)


async def test_a_worse_model_is_reported_once_until_it_recovers(runtime: app.Runtime, quality: ticker.Quality) -> None:
    async with roles.arranging(runtime).begin() as session:
        await evaluated(session, 190, 200)
    await arrange(runtime, hour({"can": BINS}), *audits("can", 0.95, {"can": 30, "jar": 30}))
    await asyncio.gather(quality.tick(), quality.tick())
    await quality.tick()
    worse = (await report(runtime)).worse
    assert [(each.model, each.expected) for each in worse] == [("v1", 0.95)]
    assert await degradations(runtime) == 1

    await arrange(runtime, *audits("can", 0.952, {"can": 2000}))
    await quality.tick()
    assert (await report(runtime)).worse == []
    assert await degradations(runtime) == 1


async def test_a_model_as_good_as_its_evaluation_is_not_reported(runtime: app.Runtime, quality: ticker.Quality) -> None:
    async with roles.arranging(runtime).begin() as session:
        await evaluated(session, 190, 200)
    await arrange(runtime, hour({"can": BINS}), *audits("can", 0.95, {"can": 56, "jar": 4}))
    await quality.tick()
    assert (await report(runtime)).worse == []
    assert await degradations(runtime) == 0


async def test_a_wish_sets_the_audit_rate_once(
    runtime: app.Runtime, quality: ticker.Quality, session: AsyncSession
) -> None:
    await policies.set_policy(session, P, {"quality_points": 2, "audit_rate": 0.2})
    await session.commit()
    week = [hour({"can": [300 * count for count in BINS]}, hour=NOW - timedelta(days=6))]
    await arrange(
        runtime, *week, *audits("can", 0.95, {"can": 58, "jar": 2}), *audits("can", 0.55, {"can": 5, "jar": 5})
    )
    await quality.tick()
    plan = (await report(runtime)).plan
    assert plan
    assert plan.met
    assert plan.half == pytest.approx(0.02, abs=0.001)
    await arrange(runtime, *audits("can", 0.551, {"can": 40, "jar": 40}))  # another plan: the rate stays for some hours
    await quality.tick()
    version, policy = await policies.newest(session, P)
    assert (version, policy.audit_rate) == (2, plan.audit_rate)
    assert plan.audit_rate < 0.05
    stored = await session.get_one(tables.QualityReport, P)
    assert set(stored.second) == {"can"}


async def test_drift_of_the_newest_hours_is_reported(runtime: app.Runtime, quality: ticker.Quality) -> None:
    before = [hour({"can": BINS, "jar": BINS}, hour=NOW - timedelta(hours=k)) for k in range(21, 60)]
    after = [hour({"can": BINS, "jar": [4 * n for n in BINS]}, hour=NOW - timedelta(hours=k)) for k in range(1, 21)]
    await arrange(runtime, *before, *after)
    await quality.tick()
    found = [each for each in (await report(runtime)).drift if each.drifted]
    assert {(each.kind, each.label) for each in found} == {("label", "can"), ("label", "jar")}


async def test_a_project_that_is_being_deleted_is_left_alone(runtime: app.Runtime, quality: ticker.Quality) -> None:
    await arrange(runtime, hour({"can": BINS}))
    async with roles.arranging(runtime).begin() as session:
        (await session.get_one(tables.Project, P)).deletion_id = UUID(int=1)
    await quality.tick()
    async with runtime.sessions() as session:
        assert await session.get(tables.QualityReport, P) is None
