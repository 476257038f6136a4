"""Reports of old boots are deleted, per device."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from ingest import queries, report_retention
from strop import app
from strop_contracts import tables
from strop_wire import ids
from tests import factories
from tests.integration.ingest.batches import all_rows, message, storing


@pytest.fixture
def runs_as() -> str:
    return "ingest"


async def test_the_newest_boots_of_each_device_are_kept(runtime: app.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_retention, "KEEP", 2)
    table = tables.DeviceReport
    boots = [ids.uuid7() for _ in range(4)]
    async with runtime.sessions.begin() as session:
        states = {("cans", device, boot): factories.state() for device in ("line-1", "line-2") for boot in boots[:3]}
        await queries.devices.upsert_reports(session, {**states, ("cans", "line-1", boots[3]): factories.state()})
        for age, boot in enumerate(boots):
            await session.execute(update(table).where(table.boot == boot).values(at=func.now() - timedelta(hours=age)))

    await report_retention.prune(runtime.sessions)

    async with runtime.sessions() as session:
        kept = await session.execute(select(table.device, table.boot).order_by(table.device, table.at.desc()))
        assert [tuple(row) for row in kept] == [(device, boot) for device in ("line-1", "line-2") for boot in boots[:2]]


@pytest.mark.usefixtures("enrolled")
async def test_counts_of_deleted_boots_are_deleted_and_their_sums_stay(
    runtime: app.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_retention, "KEEP", 1)
    states = [factories.state(usage=(factories.usage({"can": [1] * 10}),)) for _ in range(3)]
    for state in states:
        await storing(runtime)(message(state))

    await report_retention.prune(runtime.sessions)

    assert [str(row.boot) for row in await all_rows(runtime, tables.DeviceUsage)] == [states[-1].boot]
    (hour,) = await all_rows(runtime, tables.UsageHour)
    assert hour.classified == 30


@pytest.mark.usefixtures("enrolled")
async def test_counts_of_many_models_in_one_boot_are_bounded(
    runtime: app.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_retention, "KEEP_USAGE", 2)
    boot = ids.new_id()
    for number in range(4):
        usage = factories.usage({"can": [1] * 10}, f"v{number}")
        await storing(runtime)(message(factories.state(boot=boot, sequence=number, usage=(usage,))))

    await report_retention.prune(runtime.sessions)

    assert {row.model for row in await all_rows(runtime, tables.DeviceUsage)} == {"v2", "v3"}


async def test_an_old_boot_is_deleted_only_after_a_later_one_has_reported(runtime: app.Runtime) -> None:
    table, boots = tables.DeviceReport, [ids.uuid7() for _ in range(2)]
    async with runtime.sessions.begin() as session:
        states = {("cans", device, boot): factories.state() for device, boot in (("a", boots[0]), ("b", boots[0]))}
        await queries.devices.upsert_reports(session, {**states, ("cans", "b", boots[1]): factories.state()})
        age = report_retention.MAX_AGE + timedelta(days=1)
        await session.execute(update(table).where(table.boot == boots[0]).values(at=func.now() - age))

    await report_retention.prune(runtime.sessions)

    assert {(row.device, row.boot) for row in await all_rows(runtime, table)} == {("a", boots[0]), ("b", boots[1])}
