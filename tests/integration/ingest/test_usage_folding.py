"""Old counts by the hour become counts of groups by the day; nothing is lost or added twice."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import select, update

from ingest import usage_folding
from strop import app
from strop_contracts import tables
from tests import factories, roles

OLD = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=20)


@pytest.fixture
def runs_as() -> str:
    return "ingest"


def hour(device: str, hours: int = 0, **changes: Any) -> tables.UsageHour:
    counts = {"classified": 3, "rejected": 2, "failed": 1, "low": 1, "high": 1, "audit": 1, "latency": [3, *[0] * 13]}
    row = {"project": factories.PROJECT, "device": device, "model": "v1", "policy": 0, "hour": OLD}
    row["hour"] = OLD + timedelta(hours=hours)
    return tables.UsageHour(**{**row, **counts, "predictions": {"can": [3] + [0] * 9}, **changes})


@pytest.fixture
async def devices(runtime: app.Runtime) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session)
        named = {"project": factories.PROJECT, "device_group": "paris"}
        session.add_all(tables.Device(**named, name=f"cam-{number}") for number in range(2))


async def store(runtime: app.Runtime, *rows: tables.UsageHour) -> None:
    async with runtime.sessions.begin() as session:
        session.add_all(rows)


async def days(runtime: app.Runtime) -> list[tables.UsageDay]:
    table = tables.UsageDay
    async with runtime.sessions() as session:
        return list(await session.scalars(select(table).order_by(table.device_group, table.model, table.day)))


@pytest.mark.usefixtures("devices")
async def test_hours_of_a_group_become_a_day(runtime: app.Runtime) -> None:
    await store(
        runtime, hour("cam-0"), hour("cam-0", 5), hour("cam-1", predictions={"jar": [0, 3] + [0] * 8}), hour("removed")
    )

    await usage_folding.fold(runtime.sessions)

    ungrouped, day = await days(runtime)
    assert (day.device_group, day.day, day.classified) == ("paris", OLD.date(), 9)
    assert (day.rejected, day.failed, day.low, day.high, day.audit) == (6, 3, 3, 3, 3)
    assert day.predictions == {"can": [6] + [0] * 9, "jar": [0, 3] + [0] * 8}
    assert day.latency == [9, *[0] * 13]
    assert (ungrouped.device_group, ungrouped.classified) == ("", 3)


@pytest.mark.usefixtures("devices")
async def test_recent_hours_stay(runtime: app.Runtime) -> None:
    await store(runtime, hour("cam-0", hour=datetime.now(UTC)))

    await usage_folding.fold(runtime.sessions)

    assert await days(runtime) == []
    async with runtime.sessions() as session:
        assert len((await session.scalars(select(tables.UsageHour))).all()) == 1


@pytest.mark.usefixtures("devices")
async def test_more_hours_are_added_to_a_day_that_exists(runtime: app.Runtime) -> None:
    for hours in (1, 2):
        await store(runtime, hour("cam-0", hours))
        await usage_folding.fold(runtime.sessions)

    assert [row.classified for row in await days(runtime)] == [6]


@pytest.mark.usefixtures("devices")
async def test_all_batches_are_folded_by_two_replicas(runtime: app.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_folding, "BATCH", 4)
    await store(runtime, *(hour(f"cam-{number % 2}", number) for number in range(20)))  # the last batch is empty

    with structlog.testing.capture_logs() as logs:
        await asyncio.gather(*(usage_folding.fold(runtime.sessions) for _ in range(2)))

    assert logs == []
    assert [row.classified for row in await days(runtime)] == [60]


@pytest.mark.usefixtures("devices")
async def test_what_one_project_fails_at_does_not_stop_another(runtime: app.Runtime) -> None:
    broken = {"can": ["no number"] * 10}
    await store(
        runtime, hour("cam-0"), hour("cam-0", project="another", predictions=broken), hour("x", project="another")
    )

    await usage_folding.fold(runtime.sessions)

    assert [row.project for row in await days(runtime)] == [factories.PROJECT]


@pytest.mark.usefixtures("devices")
async def test_days_are_deleted_after_400_days(runtime: app.Runtime) -> None:
    await store(runtime, hour("cam-0"), hour("removed"))
    await usage_folding.fold(runtime.sessions)
    async with runtime.sessions.begin() as session:
        old = update(tables.UsageDay).where(tables.UsageDay.device_group == "").values(day=date(2020, 1, 1))
        await session.execute(old)

    await usage_folding.fold(runtime.sessions)

    assert [row.device_group for row in await days(runtime)] == ["paris"]
