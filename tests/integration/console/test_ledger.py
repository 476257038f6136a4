"""The ledger finds what was lost and what was doubled, and what is only on its way."""

from datetime import timedelta

import pytest
from sqlalchemy import func, text, update

from console import ledger
from ingest import device_messages, refusal_limits
from strop import app, mqtt
from strop_contracts import control, tables
from strop_wire import ids, reports, topics
from tests import factories


@pytest.fixture
def runs_as() -> None:
    """As the tables' owner: the tests write rows of all services."""


async def look(runtime: app.Runtime, **journal: str) -> control.Ledger:
    async with runtime.sessions() as session:
        return await ledger.check(session, factories.PROJECT, journal)


async def made(runtime: app.Runtime, seed: int, fate: str | None, *, task: bool = False, routed: bool = True) -> str:
    """A capture that got so far."""
    async with runtime.sessions.begin() as session:
        capture = await factories.make_capture(session, factories.picture(seed))
        about = {"project": capture.project, "device": capture.device, "capture_id": capture.id}
        if routed:
            session.add(tables.Route(**about, upload=True, reason="low", probability=1.0, policy=0))
        if fate:
            session.add(tables.Upload(capture_id=capture.id, state=fate))
        if task:
            session.add(tables.LabelTask(**about, sha256=capture.sha256, priority=0.5))
        return str(capture.id)


async def test_captures_with_one_fate_each_are_clean(runtime: app.Runtime) -> None:
    stored, dropped = await made(runtime, 1, "stored", task=True), await made(runtime, 2, "dropped")

    found = await look(runtime, **{stored: "stored", dropped: "dropped:cloud:too many", ids.new_id(): "dropped:full"})

    assert found == control.Ledger(captures=2, announced=3)
    assert found.clean


@pytest.mark.parametrize(
    ("fate", "task", "routed"),
    [(None, False, False), (None, False, True), ("granted", False, True), ("stored", False, True)],
)
async def test_what_is_not_at_its_end_is_on_its_way(
    runtime: app.Runtime, fate: str | None, task: bool, routed: bool
) -> None:
    capture = await made(runtime, 1, fate, task=task, routed=routed)

    found = await look(runtime, **{capture: "announced"})

    assert (found.unsettled, found.wrong) == ([capture], False)


@pytest.mark.parametrize("fate", ["announced", "granted", "uploaded", "stored", "dropped:cloud:too many"])
async def test_what_a_device_announced_and_no_table_knows_is_lost(runtime: app.Runtime, fate: str) -> None:
    capture = ids.new_id()

    found = await look(runtime, **{capture: fate})

    assert (found.lost, found.wrong) == ([capture], True)


@pytest.mark.parametrize("fate", ["kept", "dropped:full"])
async def test_what_a_device_never_announced_is_its_own_affair(runtime: app.Runtime, fate: str) -> None:
    assert (await look(runtime, **{ids.new_id(): fate})).clean


async def test_a_device_that_was_told_stored_must_be_right(runtime: app.Runtime) -> None:
    capture = await made(runtime, 1, "dropped")

    assert (await look(runtime, **{capture: "stored"})).disagreeing == [capture]


@pytest.mark.parametrize("fate", ["granted", None])
async def test_what_a_device_lost_after_it_was_announced_is_settled(runtime: app.Runtime, fate: str | None) -> None:
    async with runtime.sessions.begin() as session:
        await factories.make_project(session)
    capture = await made(runtime, 1, fate)
    said = factories.state(lost=(reports.Lost(capture, "full"),))
    heard = mqtt.Message(topics.topic(factories.PROJECT, factories.DEVICE, "state"), said.dumps(), 1, 1, 1)
    assert (await look(runtime, **{capture: "dropped:full"})).unsettled == [capture]

    async with runtime.sessions.begin() as session:
        await device_messages.store(session, [heard], refusal_limits.RefusalLimits())

    assert (await look(runtime, **{capture: "dropped:full"})).clean


async def test_one_picture_under_two_ids_is_doubled(runtime: app.Runtime) -> None:
    twice = [await made(runtime, 1, "dropped") for _ in range(2)]

    assert sorted((await look(runtime)).doubled) == sorted(twice)


async def test_two_tasks_of_one_capture_and_two_rollouts_of_one_model_are_found(runtime: app.Runtime) -> None:
    """Indexes forbid both; the ledger does not rely on them."""
    async with runtime.sessions.begin() as session:
        await session.execute(text("alter table label_tasks drop constraint uq_label_tasks_capture_id"))
        await session.execute(text("drop index uq_deployments_rollout"))
    capture = await made(runtime, 1, "stored", task=True)
    async with runtime.sessions.begin() as session:
        about = {"project": factories.PROJECT, "device": factories.DEVICE, "sha256": "0" * 64, "priority": 0.5}
        session.add(tables.LabelTask(capture_id=capture, **about))
        for state in ("succeeded", "superseded"):
            rolled = {"project": factories.PROJECT, "model_version": 3, "kind": "rollout", "stages": [1.0]}
            session.add(tables.Deployment(**rolled, state=state))

    found = await look(runtime, **{capture: "stored"})

    assert found.doubled == [capture]
    assert found.repeated == ["v3 was rolled out 2 times"]


async def test_a_row_that_waits_although_its_event_was_emitted_again_is_stuck(runtime: app.Runtime) -> None:
    await made(runtime, 1, "stored")
    async with runtime.sessions.begin() as session:
        old = func.now() - timedelta(seconds=3601)
        await session.execute(update(tables.Upload).values(at=old))
    async with runtime.sessions() as session:
        found = await ledger.check(session, factories.PROJECT, {}, 600)
        later = await ledger.check(session, factories.PROJECT, {}, 6000)

    assert (found.stuck, found.wrong) == (["label task: 1, the oldest for 60 minutes"], True)
    assert (later.stuck, later.wrong) == ([], False)
