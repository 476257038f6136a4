"""Pages of the devices of a project."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from console import fleet
from strop_contracts import control_fleet as documents
from strop_contracts import errors, tables
from tests import factories

NOW = datetime.now(UTC)


@pytest.fixture
def runs_as() -> None:
    """As the tables' owner: the tests write rows of ingest."""


async def enrol(session: AsyncSession, name: str, **columns: Any) -> None:
    session.add(tables.Device(project=factories.PROJECT, name=name, **columns))
    await session.flush()


async def count(session: AsyncSession, device: str, hours_ago: float, **changes: Any) -> None:
    counts: dict[str, Any] = {"classified": 3, "rejected": 0, "failed": 0, "low": 1, "high": 0, "audit": 0}
    counts |= {"predictions": {"can": [0] * 9 + [3]}, "latency": [3, *[0] * 13], **changes}
    hour = (NOW - timedelta(hours=hours_ago)).replace(minute=0, second=0, microsecond=0)
    row = {"project": factories.PROJECT, "device": device, "model": "v1", "policy": 0, "hour": hour}
    session.add(tables.UsageHour(**{**row, **counts}))
    await session.flush()


@pytest.fixture
async def three(session: AsyncSession) -> None:
    session.add(tables.Project(name=factories.PROJECT))
    await session.flush()
    await enrol(
        session,
        "line-1",
        model="v10",
        device_group="paris",
        spool_bytes=5,
        dropped={"full": 2, "disk": 9},
        seen_at=datetime.now(UTC),
    )
    await enrol(
        session, "line-2", model="v2", device_group="rome", errors=["disk full"], seen_at=NOW - timedelta(hours=1)
    )
    await enrol(session, "line_3", spool_bytes=9, dropped={"full": 10})


async def names(session: AsyncSession, **wanted: Any) -> list[str]:
    found = await fleet.page(session, factories.PROJECT, documents.Page(**wanted))
    return [each.name for each in found.devices]


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("name", ["line-1", "line-2", "line_3"]),
        ("group", ["line_3", "line-1", "line-2"]),
        ("model", ["line_3", "line-2", "line-1"]),
        ("seen", ["line_3", "line-2", "line-1"]),
        ("spool", ["line-2", "line-1", "line_3"]),
        ("dropped", ["line-2", "line_3", "line-1"]),
        ("errors", ["line-1", "line_3", "line-2"]),
    ],
)
async def test_devices_are_sorted(session: AsyncSession, sort: documents.Sort, expected: list[str]) -> None:
    assert await names(session, sort=sort) == expected
    assert (await names(session, sort=sort, descending=True))[-1] == expected[0] or sort == "errors"


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"group": "rome"}, ["line-2"]),
        ({"group": ""}, ["line_3"]),
        ({"model": "v10"}, ["line-1"]),
        ({"model": ""}, ["line_3"]),
        ({"name": "e_3"}, ["line_3"]),
        ({"only_errors": True}, ["line-2"]),
    ],
)
async def test_devices_are_filtered(session: AsyncSession, wanted: dict[str, Any], expected: list[str]) -> None:
    assert await names(session, **wanted) == expected


@pytest.mark.usefixtures("three")
async def test_a_page_has_its_devices_and_the_total(session: AsyncSession) -> None:
    found = await fleet.page(session, factories.PROJECT, documents.Page(offset=1, limit=1))

    assert ([each.name for each in found.devices], found.total) == (["line-2"], 3)


@pytest.mark.usefixtures("three")
async def test_counts_of_the_last_day_are_summed_by_device(session: AsyncSession) -> None:
    await count(session, "line-1", 0, predictions={"can": [1] * 10, "jar": [2] + [0] * 9}, classified=12, rejected=4)
    await count(session, "line-1", 2, failed=7)
    await count(session, "line-1", 26)
    await count(session, "line-2", 1)

    found = await fleet.device(session, factories.PROJECT, "line-1")

    assert (found.classified, found.rejected, found.failed, found.low) == (15, 4, 7, 2)
    assert list(found.labels.items()) == [("can", 13), ("jar", 2)]


@pytest.mark.usefixtures("three")
async def test_a_device_shows_what_it_reported(session: AsyncSession) -> None:
    found = await fleet.device(session, factories.PROJECT, "line-2")

    assert (found.model, found.group, found.errors, found.classified, found.labels) == (
        *("v2", "rome", ["disk full"]),
        *(0, {}),
    )
    with pytest.raises(errors.NotFound, match="line-9"):
        await fleet.device(session, factories.PROJECT, "line-9")


@pytest.mark.usefixtures("three")
async def test_the_summary_counts_devices_by_model_and_group(session: AsyncSession) -> None:
    found = await fleet.summary(session, factories.PROJECT)

    assert (found.devices, found.online, found.with_errors) == (3, 1, 1)
    assert found.models == {"": 1, "v10": 1, "v2": 1}
    assert found.groups == {"": 1, "paris": 1, "rome": 1}
