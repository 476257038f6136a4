"""Reports of old boots are deleted, per device."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from ingest import queries, report_retention
from strop import app
from strop_contracts import tables
from strop_wire import ids
from tests import factories


@pytest.fixture
def runs_as() -> str:
    return "ingest"


async def test_the_newest_boots_of_each_device_are_kept(runtime: app.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_retention, "KEEP", 2)
    table = tables.DeviceReport
    boots = [ids.uuid7() for _ in range(4)]
    async with runtime.sessions.begin() as session:
        states = {("cans", device, boot): factories.state() for device in ("line-1", "line-2") for boot in boots[:3]}
        await queries.upsert_reports(session, {**states, ("cans", "line-1", boots[3]): factories.state()})
        for age, boot in enumerate(boots):
            await session.execute(update(table).where(table.boot == boot).values(at=func.now() - timedelta(hours=age)))

    await report_retention.prune(runtime.sessions)

    async with runtime.sessions() as session:
        kept = await session.execute(select(table.device, table.boot).order_by(table.device, table.at.desc()))
        assert [tuple(row) for row in kept] == [(device, boot) for device in ("line-1", "line-2") for boot in boots[:2]]
