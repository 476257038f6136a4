import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Interval, func, select, text, type_coerce

from labeling_queue import queries, rules
from strop import app
from strop_contracts import events, tables, topology
from tests import factories, roles, wait
from tests.integration.labeling_queue.conftest import LABELS, PROJECT, Ask, Store, grow_late, say, take, undo


async def test_a_task_has_what_the_page_shows(ask: Ask, store: Store) -> None:
    capture = await store(1)
    ada = await ask("ada")

    (task,) = (await ada.post(f"{PROJECT}/tasks/next")).json()

    assert task["device"] == capture.device
    assert task["predictions"] == capture.predictions
    assert (task["width"], task["height"]) == (64, 48)
    image = await ada.get(task["image"])
    assert image.content == factories.picture(1)
    assert image.headers["content-type"] == "image/jpeg"
    assert "immutable" in image.headers["cache-control"]


async def test_the_least_sure_comes_first_and_audits_in_between(ask: Ask, store: Store) -> None:
    audit = await store(3, margin=0.9, audit=True)
    place = rules.priority(audit.sha256, audit.margin, audit=True)
    sure, unsure = await store(1, margin=place + 0.01), await store(2, margin=place - 0.01)
    ada = await ask("ada")

    shown = (await ada.post(f"{PROJECT}/tasks/next", params={"count": 3})).json()

    images = [(await ada.get(task["image"])).content for task in shown]
    assert images == [factories.picture(seed) for seed in (2, 3, 1)]
    assert [task["audit"] for task in shown] == [False, True, False]
    assert len({sure.id, unsure.id, audit.id}) == 3


async def test_twenty_people_at_once_never_get_the_same_task(ask: Ask, store: Store) -> None:
    for seed in range(30):
        await store(seed)
    people = [await ask(f"person {number}") for number in range(20)]

    taken = await asyncio.gather(*(take(person, 2) for person in people))

    given = [task for tasks in taken for task in tasks]
    assert len(given) == len(set(given))
    rest = [await take(person, 2) for person in people]
    everybody = {task for tasks in rest for task in tasks}
    assert len(everybody) == sum(len(tasks) for tasks in rest) == 30


async def test_who_asks_again_gets_back_what_they_have_with_its_time_renewed(
    ask: Ask, store: Store, runtime: app.Runtime
) -> None:
    for seed in range(4):
        await store(seed)
    ada = await ask("ada")
    first = await take(ada, 2)
    await grow_late(runtime, minutes=9)

    assert (await take(ada, 3))[:2] == first
    async with roles.arranging(runtime)() as session:
        time_left = type_coerce(tables.LabelTask.leased_until - func.now(), Interval)
        left = await session.scalars(select(time_left).where(_leased()))
        assert all(timedelta(minutes=9, seconds=50) < time <= rules.LEASE for time in left)


async def test_a_leased_task_that_an_event_handler_locks_is_renewed_not_skipped(
    ask: Ask, store: Store, runtime: app.Runtime
) -> None:
    await store()
    ada = await ask("ada")
    held = await take(ada)

    async with runtime.sessions.begin() as session:
        await queries.lock(session, UUID(held[0]))
        renewal = asyncio.create_task(take(ada))
        await wait.until(lambda: _ended_or_waits_for_a_lock(renewal, runtime))

    assert await renewal == held


async def _ended_or_waits_for_a_lock(request: asyncio.Task[Any], runtime: app.Runtime) -> bool:
    here = text("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()")
    async with roles.arranging(runtime)() as session:
        return request.done() or bool(await session.scalar(here))


def _leased() -> Any:
    return tables.LabelTask.leased_by.is_not(None)


async def test_an_expired_lease_goes_to_the_next_who_asks(ask: Ask, store: Store, runtime: app.Runtime) -> None:
    await store()
    ada, bob = await ask("ada"), await ask("bob")
    (task,) = await take(ada)
    assert await take(bob) == []

    await grow_late(runtime, minutes=11)

    assert await take(bob) == [task]


async def test_an_expired_lease_without_a_new_holder_may_still_be_answered(
    ask: Ask, store: Store, runtime: app.Runtime
) -> None:
    await store()
    ada = await ask("ada")
    (task,) = await take(ada)
    await grow_late(runtime, minutes=11)

    assert (await say(ada, task)).status_code == 200


async def test_an_answer_to_a_task_that_somebody_took_over_is_refused(
    ask: Ask, store: Store, runtime: app.Runtime
) -> None:
    await store()
    ada, bob = await ask("ada"), await ask("bob")
    (task,) = await take(ada)
    await grow_late(runtime, minutes=11)
    await take(bob)

    late = await say(ada, task)
    assert late.status_code == 409
    assert late.json()["detail"] == "Your time for this image ran out and somebody else has it now."

    await say(bob, task)
    later = await say(ada, task)
    assert later.status_code == 409
    assert later.json()["detail"] == "Somebody else answered this image in the meantime."


async def test_an_answer_becomes_annotation_ground_truth_and_event_together(
    ask: Ask, store: Store, runtime: app.Runtime
) -> None:
    capture = await store()
    ada = await ask("ada")
    (task,) = await take(ada)

    reply = (await say(ada, task, "soda can")).json()

    assert (reply["author"], reply["answer"], reply["label"]) == ("ada", "label", "soda can")
    async with roles.arranging(runtime)() as session:
        annotation = await session.get_one(tables.Annotation, UUID(reply["id"]))
        assert annotation.source == "api"
        truth = await session.get_one(tables.GroundTruth, capture.id)
        assert (truth.label, truth.author, truth.sha256) == ("soda can", "ada", capture.sha256)
        sent = await session.scalar(select(tables.Outbox.body).where(tables.Outbox.queue == "labeling-queue"))
        assert sent
        assert '"ImageLabeled"' in sent
        assert '"soda can"' in sent
    assert await take(ada) == []


async def test_the_same_answer_twice_is_one_annotation(ask: Ask, store: Store, runtime: app.Runtime) -> None:
    await store()
    ada = await ask("ada")
    (task,) = await take(ada)

    replies = await asyncio.gather(*(say(ada, task) for _ in range(5)))

    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.json()["id"] for reply in replies}) == 1
    async with roles.arranging(runtime)() as session:
        assert await session.scalar(select(func.count()).select_from(tables.Annotation)) == 1
        queues = list(await session.scalars(select(tables.Outbox.queue)))
        assert sorted(queues) == sorted(topology.ROUTES[events.ImageLabeled])


async def test_another_answer_of_yours_needs_an_undo_first(ask: Ask, store: Store) -> None:
    await store()
    ada = await ask("ada")
    (task,) = await take(ada)
    await say(ada, task, "can")

    second = await say(ada, task, "mug")

    assert second.status_code == 409
    assert "take that answer back first" in second.json()["detail"]


@pytest.mark.parametrize(("kind", "truths"), [("none", [None]), ("bad", [None]), ("unclear", [])])
async def test_answers_without_a_label_finish_the_task(
    ask: Ask, store: Store, runtime: app.Runtime, kind: str, truths: list[None]
) -> None:
    await store()
    ada = await ask("ada")
    (task,) = await take(ada)

    assert (await ada.post(f"/api/tasks/{task}/answer", json={"answer": kind})).status_code == 200

    assert await take(ada) == []
    async with roles.arranging(runtime)() as session:
        assert list(await session.scalars(select(tables.GroundTruth.label))) == truths


async def test_an_answer_that_makes_no_sense_is_refused_with_the_reason(ask: Ask, store: Store) -> None:
    await store()
    ada = await ask("ada")
    (task,) = await take(ada)

    for body in ({"answer": "label"}, {"answer": "label", "label": "a\tb"}, {"answer": "perhaps"}, {}):
        reply = await ada.post(f"/api/tasks/{task}/answer", json=body)

        assert reply.status_code == 422
        assert reply.json()["detail"]
    assert await take(ada) == [task]


async def test_a_label_that_is_refused_is_named_with_its_rule_and_the_character(ask: Ask, store: Store) -> None:
    await store()
    ada = await ask("ada")
    (task,) = await take(ada)

    reply = await ada.post(f"/api/tasks/{task}/answer", json={"answer": "label", "label": "a\u202eb"})

    assert reply.status_code == 422
    assert "U+202E (RIGHT-TO-LEFT OVERRIDE)" in reply.json()["detail"]


@pytest.mark.parametrize(
    ("typed", "label"), [("N/A", "N/A"), ("eau\u00a0plate ", "eau plate"), ("cafe\u0301", "caf\u00e9")]
)
async def test_a_label_is_stored_in_its_one_spelling(ask: Ask, store: Store, typed: str, label: str) -> None:
    await store()
    ada = await ask("ada")
    (task,) = await take(ada)

    reply = await ada.post(f"/api/tasks/{task}/answer", json={"answer": "label", "label": typed})

    assert reply.json()["label"] == label
    known = (await ada.get(f"/api/projects/{factories.PROJECT}/labels")).json()
    assert [each for each in known if each not in LABELS] == [label]


async def test_progress_counts_what_waits_and_who_answered_since_when(ask: Ask, store: Store) -> None:
    for seed in range(5):
        await store(seed)
    ada, bob = await ask("ada"), await ask("bob")
    for person, count in ((ada, 2), (bob, 1)):
        for task in await take(person, count):
            await say(person, task)
    await undo(ada)

    now = (await ada.get(f"{PROJECT}/progress")).json()
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    none = (await ada.get(f"{PROJECT}/progress", params={"since": later})).json()

    assert (now["waiting"], now["done"]) == (3, 2)
    assert now["by"] == [{"author": "ada", "answers": 1}, {"author": "bob", "answers": 1}]
    assert (none["waiting"], none["done"], none["by"]) == (3, 0, [])


async def test_labels_are_those_of_the_base_data_and_those_people_gave(
    ask: Ask, store: Store, runtime: app.Runtime
) -> None:
    await store()
    async with roles.arranging(runtime).begin() as session:
        item = {"project": factories.PROJECT, "dataset": "base", "split": "train"}
        session.add(tables.DatasetItem(**item, key="1", label="jar", sha256="0"))
        session.add(tables.DatasetItem(**item, key="2", label="broken", refused="does not decode"))
    ada = await ask("ada")
    (task,) = await take(ada)
    await say(ada, task, "cup")

    assert (await ada.get(f"{PROJECT}/labels")).json() == sorted([*LABELS, "cup", "jar"])


async def test_an_unknown_project_is_not_found(ask: Ask) -> None:
    ada = await ask("ada")

    replies = [await ada.get(f"/api/projects/nowhere/{path}") for path in ("progress", "labels")]
    replies.append(await ada.post("/api/projects/nowhere/tasks/next"))

    assert [reply.status_code for reply in replies] == [404] * 3
    assert {reply.json()["detail"] for reply in replies} == {"There is no project 'nowhere'."}


async def test_an_unknown_task_is_not_found(ask: Ask) -> None:
    ada = await ask("ada")
    task = str(uuid4())

    replies = [
        await say(ada, task),
        await ada.post(f"/api/tasks/{task}/skip"),
        await ada.post(f"/api/tasks/{task}/unskip"),
        await ada.get(f"/api/tasks/{task}/image"),
    ]

    assert {reply.status_code for reply in replies} == {404}


async def test_the_documentation_describes_every_operation(ask: Ask) -> None:
    ada = await ask("ada")

    paths = (await ada.get("/api/openapi.json")).json()["paths"]

    operations = [operation for methods in paths.values() for operation in methods.values()]
    assert len(operations) >= 7
    assert all(operation["description"] for operation in operations)
