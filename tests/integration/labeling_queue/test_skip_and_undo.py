"""Tasks given back, and answers and skips taken back."""

import json
from uuid import UUID

from sqlalchemy import select

from strop import app
from strop_contracts import tables
from tests import factories, roles
from tests.integration.labeling_queue.conftest import Ask, Store, say, take, undo


async def test_a_skipped_task_comes_after_all_others(ask: Ask, store: Store) -> None:
    await store(1, margin=0.1)
    await store(2, margin=0.9)
    ada = await ask("ada")
    first, second = await take(ada, 2)

    for _ in range(2):  # a repeat changes nothing
        assert (await ada.post(f"/api/tasks/{first}/skip")).status_code == 204

    assert await take(ada, 2) == [second, first]


async def test_a_task_of_somebody_else_cannot_be_skipped(ask: Ask, store: Store) -> None:
    await store()
    ada, bob = await ask("ada"), await ask("bob")
    (task,) = await take(ada)

    await bob.post(f"/api/tasks/{task}/skip")

    assert await take(bob) == []
    assert await take(ada) == [task]


async def test_a_skip_is_taken_back_and_the_task_has_its_place_again(ask: Ask, store: Store) -> None:
    await store(1, margin=0.1)
    await store(2, margin=0.9)
    ada = await ask("ada")
    first, second = await take(ada, 2)
    await ada.post(f"/api/tasks/{first}/skip")

    for _ in range(2):  # a repeat changes nothing
        answer = await ada.post(f"/api/tasks/{first}/unskip")
        assert (answer.status_code, answer.json()["id"]) == (200, first)

    assert await take(ada, 2) == [first, second]


async def test_a_skip_is_not_taken_back_when_somebody_has_the_task_or_answered_it(ask: Ask, store: Store) -> None:
    await store()
    ada, bob = await ask("ada"), await ask("bob")
    (task,) = await take(ada)
    await ada.post(f"/api/tasks/{task}/skip")
    await take(bob)

    held = await ada.post(f"/api/tasks/{task}/unskip")
    await say(bob, task)
    answered = await ada.post(f"/api/tasks/{task}/unskip")

    assert (held.status_code, held.json()["detail"]) == (409, "Somebody else has this image now.")
    assert (answered.status_code, answered.json()["detail"]) == (409, "This image was answered in the meantime.")


async def test_undo_of_one_task_takes_back_no_other_answer(ask: Ask, store: Store) -> None:
    for seed in range(2):
        await store(seed)
    ada = await ask("ada")
    first, second = await take(ada, 2)
    await say(ada, first)
    await say(ada, second)

    wanted = {"project": factories.PROJECT, "task": first}
    undone, again = [await ada.post("/api/annotations/undo", json=wanted) for _ in range(2)]

    assert undone.json()["annotation"]["task_id"] == first
    assert again.status_code == 404
    assert (await undo(ada)).json()["annotation"]["task_id"] == second


async def test_undo_opens_the_task_for_who_answered_it(ask: Ask, store: Store, runtime: app.Runtime) -> None:
    capture = await store()
    ada, bob = await ask("ada"), await ask("bob")
    (task,) = await take(ada)
    given = (await say(ada, task)).json()

    undone = (await undo(ada)).json()

    assert undone["annotation"]["id"] == given["id"]
    assert undone["task"]["id"] == task
    assert await take(bob) == []
    async with roles.arranging(runtime)() as session:
        assert await session.get(tables.GroundTruth, capture.id) is None
        assert (await session.get_one(tables.Annotation, UUID(given["id"]))).undone_at is not None
        bodies = list(await session.scalars(select(tables.Outbox.body).order_by(tables.Outbox.id)))
        assert json.loads(bodies[-1])["body"]["label"] is None
    assert (await say(ada, task, "mug")).json()["label"] == "mug"


async def test_undo_goes_back_one_answer_at_a_time_and_only_ones_own(ask: Ask, store: Store) -> None:
    for seed in range(3):
        await store(seed, margin=seed / 10)
    ada, bob = await ask("ada"), await ask("bob")
    first, second, third = await take(ada, 3)
    await say(ada, first)
    await say(ada, second)
    await ada.post(f"/api/tasks/{third}/skip")
    await say(bob, third)

    assert [(await undo(ada)).json()["annotation"]["task_id"] for _ in range(2)] == [second, first]
    nothing = await undo(ada)
    assert nothing.status_code == 404
    assert nothing.json()["detail"] == "There is no answer of yours to take back."
