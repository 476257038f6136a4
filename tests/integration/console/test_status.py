"""The status of projects, from rows of all services."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from console import status
from strop_contracts import tables
from tests import factories


@pytest.fixture
def runs_as() -> None:
    """As the tables' owner: the tests write rows of all services."""


async def shown(session: AsyncSession) -> dict[str, str]:
    """Return the figures of the only project."""
    row = (await session.execute(status._PROJECTS)).mappings().one()
    return (await status.project(session, row)).figures


async def test_images_that_came_and_those_that_never_will_are_counted_apart(session: AsyncSession) -> None:
    await factories.make_project(session)
    for number, state in enumerate(("granted", "stored", "dropped", "dropped")):
        made = await factories.make_capture(session, factories.picture(number))
        session.add(tables.Upload(capture_id=made.id, state=state))
    await session.flush()

    counts = await shown(session)

    assert {name: counts[name] for name in ("captures", "images", "images lost or refused")} == {
        "captures": "4",
        "images": "1",
        "images lost or refused": "2",
    }


async def test_a_declined_capture_is_not_a_lost_image(session: AsyncSession) -> None:
    await factories.make_project(session)
    made = await factories.make_capture(session, factories.picture(1))
    about: dict[str, Any] = {"project": made.project, "device": made.device, "capture_id": made.id}
    session.add(tables.Route(**about, upload=False, reason="duplicate", probability=1.0, policy=1))
    session.add(tables.Upload(capture_id=made.id, state="dropped", reason="duplicate"))
    await session.flush()

    counts = await shown(session)

    assert {name: counts.get(name, "0") for name in ("declined", "images lost or refused")} == {
        "declined": "1",
        "images lost or refused": "0",
    }


async def test_the_wait_from_arrival_to_task_is_that_of_all_but_the_slowest_twentieth(session: AsyncSession) -> None:
    await factories.make_project(session)
    assert not [name for name in await shown(session) if name.startswith("arrival")]
    for seconds in range(1, 21):
        made = await factories.make_capture(session, factories.picture(seconds))
        common: dict[str, Any] = {"project": made.project, "device": made.device, "capture_id": made.id}
        session.add(tables.Route(**common, upload=True, reason="uncertain", probability=1.0, policy=0))
        at = made.at + timedelta(seconds=seconds)
        session.add(tables.LabelTask(**common, sha256=made.sha256, priority=0.5, at=at))
    await session.flush()

    assert (await shown(session))["arrival to task, p95 of the newest 1,000"] == "19.0 s"


async def test_base_images_under_several_labels_are_counted(session: AsyncSession) -> None:
    await factories.make_project(session)
    about = {"project": factories.PROJECT, "dataset": "base", "split": "train"}
    for key, label, sha256 in (("1", "cat", "aa"), ("2", "dog", "aa"), ("3", "cat", "bb"), ("4", "cat", "bb")):
        session.add(tables.DatasetItem(**about, key=key, label=label, sha256=sha256))
    await session.flush()

    assert (await shown(session))["base images under several labels"] == "1"
