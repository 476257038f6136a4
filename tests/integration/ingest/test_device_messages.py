"""Captures and requests for files in one batch of MQTT messages, which is one transaction."""

import asyncio
import json

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import enrolment
from strop import app, inbox, mqtt
from strop_contracts import events, tables
from strop_wire import ids, messages, topics
from tests import factories, roles, wait
from tests.integration.ingest.batches import Store, all_rows, message, storing

pytestmark = pytest.mark.usefixtures("enrolled")


@pytest.fixture
def store(runtime: app.Runtime) -> Store:
    return storing(runtime)


async def test_a_new_capture_becomes_a_row_and_an_event(runtime: app.Runtime, store: Store) -> None:
    said = factories.announcement(b"bytes", phash="0123456789abcdef", seen=3)

    result = await store(message(said))

    (row,) = await all_rows(runtime, tables.Capture)
    assert (str(row.id), row.project, row.device) == (said.id, factories.PROJECT, factories.DEVICE)
    assert (row.captured_at, row.sha256, row.phash, row.seen) == (said.captured_at, said.sha256, said.phash, 3)
    assert (row.label, row.confidence, row.margin) == ("can", 0.55, pytest.approx(0.1))
    (happened,) = await wait.outbox(runtime)
    assert isinstance(happened, events.CaptureReceived)
    assert (happened.capture_id, happened.device) == (row.id, row.device)
    assert not result.decided
    assert not result.refused


async def test_one_id_from_two_devices_in_one_batch_belongs_to_the_enrolled_one(
    runtime: app.Runtime, store: Store
) -> None:
    said = factories.announcement(b"bytes")

    result = await store(message(said, device="line-9"), message(said), message(said))

    assert [row.device for row in await all_rows(runtime, tables.Capture)] == [factories.DEVICE]
    assert len(await wait.outbox(runtime)) == 1
    assert [refusal.kind for refusal in result.refused] == ["unknown"]
    assert (len(result.new_captures), result.captured) == (1, {factories.PROJECT: 1})


async def test_one_id_from_two_enrolled_devices_in_one_batch_is_a_conflict(runtime: app.Runtime, store: Store) -> None:
    async with runtime.sessions.begin() as session:
        await enrolment.add_device(session, factories.PROJECT, "line-2")
    said = factories.announcement(b"bytes")

    result = await store(message(said), message(said, device="line-2"))

    (row,) = await all_rows(runtime, tables.Capture)
    assert len(await wait.outbox(runtime)) == 1
    (refusal,) = result.refused
    assert refusal.kind == "conflict"
    assert (row.device in refusal.letter) is False


@pytest.mark.parametrize(
    "said",
    [factories.announcement(b"bytes"), factories.state(), messages.Fetch(("0" * 64,))],
    ids=["capture", "state", "fetch"],
)
async def test_who_is_not_enrolled_is_refused_with_a_reason(
    runtime: app.Runtime, store: Store, said: messages.Message
) -> None:
    await store(message(said, device="line-9"), message(said, project="cans"))

    letters = await wait.buried(runtime)
    assert {queue for queue, _, _ in letters} == {"ingest-dlq"}
    assert [reason for _, _, reason in letters] == [
        "device line-9 of project bottles is not enrolled: `strop devices add bottles line-9`",
        "device line-1 of project cans is not enrolled: `strop devices add cans line-1`",
    ]
    assert json.loads(json.loads(letters[0][1])["payload"]) == json.loads(said.dumps())
    assert not await wait.outbox(runtime)
    assert not await all_rows(runtime, tables.Capture)
    assert not await all_rows(runtime, tables.DeviceReport)


async def test_a_removed_device_is_refused_and_its_captures_stay(runtime: app.Runtime, store: Store) -> None:
    await store(message(before := factories.announcement(b"before")))
    async with runtime.sessions.begin() as session:
        await enrolment.remove_device(session, factories.PROJECT, factories.DEVICE)

    result = await store(message(factories.announcement(b"after")), message(before))

    assert [refusal.reason for refusal in result.refused] == [
        "device line-1 of project bottles is not enrolled: `strop devices add bottles line-1`"
    ] * 2
    assert [str(row.id) for row in await all_rows(runtime, tables.Capture)] == [before.id]
    async with runtime.sessions.begin() as session:
        await enrolment.add_device(session, factories.PROJECT, factories.DEVICE)
    assert not (await store(message(factories.announcement(b"again")))).refused


async def test_what_is_malformed_is_buried_and_does_not_hold_up_the_others(runtime: app.Runtime, store: Store) -> None:
    broken = mqtt.Message(topics.topic(factories.PROJECT, factories.DEVICE, "capture"), b"\xff{", 1, 1, 1)

    await store(message(factories.announcement(b"1")), broken, message(factories.announcement(b"2")))

    assert len(await all_rows(runtime, tables.Capture)) == 2
    ((_, _, reason),) = await wait.buried(runtime)
    assert "not JSON" in reason


async def test_a_repeat_before_any_decision_changes_nothing(runtime: app.Runtime, store: Store) -> None:
    said = message(factories.announcement(b"bytes"))
    await store(said)

    again = await store(said)

    assert len(await wait.outbox(runtime)) == len(await all_rows(runtime, tables.Capture)) == 1
    assert not again.decided
    assert not again.refused


@pytest.mark.parametrize("state", ["granted", "dropped", "stored"])
async def test_a_repeat_is_answered_from_its_row(runtime: app.Runtime, store: Store, state: str) -> None:
    said = factories.announcement(b"bytes")
    await store(message(said))
    async with roles.arranging(runtime).begin() as session:
        session.add(tables.Upload(capture_id=said.id, state=state, key="somewhere"))

    again = await store(message(said))

    ((capture, upload),) = again.decided
    assert (str(capture.id), upload.state) == (said.id, state)
    assert len(await wait.outbox(runtime)) == 1


async def test_twice_in_one_batch_is_once(runtime: app.Runtime, store: Store) -> None:
    said = message(factories.announcement(b"bytes"))

    result = await store(said, said)

    assert len(await wait.outbox(runtime)) == len(await all_rows(runtime, tables.Capture)) == 1
    assert not result.refused


async def test_another_content_under_a_known_id_is_buried(runtime: app.Runtime, store: Store) -> None:
    said = factories.announcement(b"bytes")
    other = factories.announcement(b"other", id=said.id, captured_at=said.captured_at)
    await store(message(said))

    await store(message(other))

    (row,) = await all_rows(runtime, tables.Capture)
    assert row.sha256 == said.sha256
    ((_, _, reason),) = await wait.buried(runtime)
    assert reason == f"capture {said.id} is known with another sha256"


async def test_a_device_gets_no_answer_about_the_capture_of_another(runtime: app.Runtime, store: Store) -> None:
    said = factories.announcement(b"bytes")
    async with roles.arranging(runtime).begin() as session:
        session.add(tables.Device(project=factories.PROJECT, name="line-2"))
    await store(message(said))
    async with roles.arranging(runtime).begin() as session:
        session.add(tables.Upload(capture_id=said.id, state="granted", key="somewhere"))

    result = await store(message(said, "line-2"))

    assert not result.decided
    assert [refusal.kind for refusal in result.refused] == ["conflict"]


async def test_the_same_captures_at_two_ingests_at_once_make_one_event_each(runtime: app.Runtime, store: Store) -> None:
    batch = [message(factories.announcement(f"{number}".encode())) for number in range(50)]

    await asyncio.gather(store(*batch), store(*reversed(batch)), store(*batch))

    assert len(await wait.outbox(runtime)) == len(await all_rows(runtime, tables.Capture)) == 50


async def test_a_large_batch_needs_no_more_statements_than_a_small_one(runtime: app.Runtime, store: Store) -> None:
    statements: list[str] = []
    engine = runtime.sessions.kw["bind"].sync_engine
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    async def count(captures: int, repeats: int) -> int:
        known = [message(factories.announcement(ids.new_id().encode())) for _ in range(repeats)]
        await store(*known)
        fresh = [message(factories.announcement(ids.new_id().encode())) for _ in range(captures)]
        states = [message(factories.state()) for _ in range(captures)]
        statements.clear()
        await store(*known, *fresh, *states)
        return len(statements)

    await count(1, 1)  # the first state of a device is news
    assert await count(5, 3) == await count(100, 50)


async def test_batches_at_once_claim_devices_that_are_not_enrolled_in_one_order(
    runtime: app.Runtime, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed: list[str] = []
    claim = inbox.claim

    async def seen(session: AsyncSession, consumer: str, event_id: str) -> bool:
        claimed.append(event_id.partition(" ")[0])
        return await claim(session, consumer, event_id)

    monkeypatch.setattr(inbox, "claim", seen)

    await store(*(message(factories.state(), device=name) for name in ("line-9", "line-7", "line-8")))

    assert claimed == ["bottles/line-7", "bottles/line-8", "bottles/line-9"]


async def test_files_are_found_within_the_project_only(runtime: app.Runtime, store: Store) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session, "cans")
        session.add(tables.ModelFile(project=factories.PROJECT, sha256="a" * 64, key="bottles/a", size=1))
        session.add(tables.ModelFile(project="cans", sha256="b" * 64, key="cans/b", size=2))

    result = await store(message(messages.Fetch(("a" * 64, "b" * 64))))

    (((project, name), files),) = result.files
    assert (project, name) == (factories.PROJECT, factories.DEVICE)
    assert [file.key for file in files] == ["bottles/a"]
    ((_, _, reason),) = await wait.buried(runtime)
    assert reason == f"no file of a model has the hash {'b' * 64}"
