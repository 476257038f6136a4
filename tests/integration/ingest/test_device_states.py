"""States in one batch of MQTT messages: what a device reports of itself, and captures that it lost."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from strop import app
from strop_contracts import events, tables
from strop_wire import ids, reports
from tests import factories, roles, wait
from tests.integration.ingest.batches import Store, all_rows, message, storing

pytestmark = pytest.mark.usefixtures("enrolled")


@pytest.fixture
def store(runtime: app.Runtime) -> Store:
    return storing(runtime)


async def device_reports(runtime: app.Runtime) -> list[events.DeviceReported]:
    return [each for each in await wait.outbox(runtime) if isinstance(each, events.DeviceReported)]


async def device(runtime: app.Runtime) -> tables.Device:
    (row,) = await all_rows(runtime, tables.Device)
    assert isinstance(row, tables.Device)
    return row


async def test_a_state_is_kept_and_the_device_was_seen(runtime: app.Runtime, store: Store) -> None:
    said = factories.state(
        model="v2",
        agent="2.1",
        errors=("disk full",),
        spool_items=3,
        spool_bytes=4000,
        dropped={"full": 7},
        usage=(factories.usage({"can": [0] * 9 + [4]}),),
    )

    await store(message(said))

    (row,) = await all_rows(runtime, tables.DeviceReport)
    assert (str(row.boot), row.sequence) == (said.boot, said.sequence)
    assert row.state.usage == ()  # in `device_usage`
    found = await device(runtime)
    assert (found.model, found.agent, found.errors) == ("v2", "2.1", ["disk full"])
    assert (found.spool_items, found.spool_bytes, found.dropped) == (3, 4000, {"full": 7})
    assert found.seen_at is not None


async def test_an_older_state_does_not_overwrite_a_newer_one(runtime: app.Runtime, store: Store) -> None:
    newer = factories.state(sequence=5, model="v2")
    older = factories.state(boot=newer.boot, sequence=4, model="v1")

    await store(message(newer))
    await store(message(older))

    (row,) = await all_rows(runtime, tables.DeviceReport)
    assert row.sequence == 5
    assert (await device(runtime)).model == "v2"


async def test_a_newer_state_replaces_an_older_one_even_within_a_batch(runtime: app.Runtime, store: Store) -> None:
    boot = ids.new_id()
    said = [factories.state(boot=boot, sequence=sequence, classified=sequence) for sequence in (1, 3, 2)]

    await store(*map(message, said))
    await store(message(factories.state(boot=boot, sequence=4, classified=4)))

    (row,) = await all_rows(runtime, tables.DeviceReport)
    assert (row.sequence, row.state.classified) == (4, 4)


async def test_each_boot_keeps_its_counts(runtime: app.Runtime, store: Store) -> None:
    await store(message(factories.state()), message(factories.state()))

    assert len(await all_rows(runtime, tables.DeviceReport)) == 2


async def test_another_model_is_reported_once(runtime: app.Runtime, store: Store) -> None:
    first = factories.state(model="v1")
    await store(message(first))
    await store(message(factories.state(boot=first.boot, sequence=2, model="v1")))
    await store(message(factories.state(boot=first.boot, sequence=3, model="v2")))

    assert [(each.model, each.outcome) for each in await device_reports(runtime)] == [("v1", None), ("v2", None)]


async def test_an_answer_is_passed_on_with_its_outcome(runtime: app.Runtime, store: Store) -> None:
    answer = reports.Outcome(ids.new_id(), "failed", "self-test: 3 of 8 samples wrong")

    await store(message(factories.state(model=None, answer=answer)))

    (happened,) = await device_reports(runtime)
    assert str(happened.deployment_id) == answer.deployment
    assert (happened.outcome, happened.reason) == ("failed", "self-test: 3 of 8 samples wrong")


async def test_an_answer_that_was_overtaken_is_still_passed_on(runtime: app.Runtime, store: Store) -> None:
    newer = factories.state(sequence=5)
    older = factories.state(boot=newer.boot, sequence=4, answer=reports.Outcome(ids.new_id(), "installed"))

    await store(message(newer))
    await store(message(older))

    assert [each.outcome for each in await device_reports(runtime)] == [None, "installed"]


async def test_a_repeated_answer_is_the_same_event(runtime: app.Runtime, store: Store) -> None:
    said = message(factories.state(answer=reports.Outcome(ids.new_id(), "installed")))

    await store(said)
    await store(said)

    async with roles.arranging(runtime)() as session:
        bodies = list(await session.scalars(select(tables.Outbox.body)))
    assert len({events.loads(body).id for body in bodies}) == 1


async def uploads(runtime: app.Runtime) -> dict[str, tuple[str, str | None]]:
    return {str(row.capture_id): (row.state, row.reason) for row in await all_rows(runtime, tables.Upload)}


def losing(*captures: str, reason: str = "full", **changes: Any) -> reports.State:
    return factories.state(lost=tuple(reports.Lost(each, reason) for each in captures), **changes)


@pytest.mark.parametrize("decided", ["granted", None])
async def test_a_capture_that_its_device_lost_is_dropped(
    runtime: app.Runtime, store: Store, decided: str | None
) -> None:
    said = factories.announcement(b"bytes")
    await store(message(said))
    if decided:
        async with roles.arranging(runtime).begin() as session:
            session.add(tables.Upload(capture_id=said.id, state=decided, key="somewhere"))

    for _ in range(2):
        await store(message(losing(said.id)))

    assert await uploads(runtime) == {said.id: ("dropped", "device: full")}


async def test_each_lost_capture_is_answered_so_that_the_device_need_not_say_it_again(
    runtime: app.Runtime, store: Store
) -> None:
    ours, stored = factories.announcement(b"ours"), factories.announcement(b"stored")
    await store(message(ours), message(stored))
    async with roles.arranging(runtime).begin() as session:
        session.add(tables.Upload(capture_id=stored.id, state="stored"))
        theirs = (await factories.make_capture(session, b"theirs", device="line-2")).id
    nobodys = ids.new_id()

    result = await store(message(losing(ours.id, stored.id, str(theirs), nobodys)))

    assert {str(capture.id): upload.state for capture, upload in result.decided} == {
        ours.id: "dropped",
        stored.id: "stored",
    }
    device = (factories.PROJECT, factories.DEVICE)
    assert set(result.unknown) == {(device, theirs), (device, UUID(nobodys))}


async def test_a_capture_that_is_announced_and_lost_in_one_batch_is_dropped(runtime: app.Runtime, store: Store) -> None:
    said = factories.announcement(b"bytes")

    await store(message(losing(said.id)), message(said), message(losing(said.id)))

    assert await uploads(runtime) == {said.id: ("dropped", "device: full")}


async def test_a_lost_capture_of_an_old_state_is_dropped_too(runtime: app.Runtime, store: Store) -> None:
    said = factories.announcement(b"bytes")
    newer = factories.state(sequence=5)
    await store(message(said), message(newer))

    await store(message(losing(said.id, boot=newer.boot, sequence=4)))

    assert await uploads(runtime) == {said.id: ("dropped", "device: full")}


@pytest.mark.parametrize(("state", "reason"), [("stored", None), ("dropped", "duplicate")])
async def test_what_is_stored_or_dropped_stays_so(
    runtime: app.Runtime, store: Store, state: str, reason: str | None
) -> None:
    said = factories.announcement(b"bytes")
    await store(message(said))
    async with roles.arranging(runtime).begin() as session:
        session.add(tables.Upload(capture_id=said.id, state=state, reason=reason))

    await store(message(losing(said.id)))

    assert await uploads(runtime) == {said.id: (state, reason)}


async def test_a_device_can_lose_its_own_captures_only(runtime: app.Runtime, store: Store) -> None:
    async with roles.arranging(runtime).begin() as session:
        session.add(tables.Device(project=factories.PROJECT, name="line-2"))
    said = factories.announcement(b"bytes")
    await store(message(said))

    await store(message(losing(said.id, ids.new_id()), "line-2"), message(losing(ids.new_id())))

    assert await uploads(runtime) == {}
