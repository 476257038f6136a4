"""The kind of a task decides how it is made and what its answers are worth."""

from sqlalchemy import select, update

from labeling_queue import annotations, rules
from strop import app
from strop_contracts import events, states, tables
from tests import roles, wait
from tests.integration.labeling_queue.conftest import PROJECT, Ask, Store


async def test_a_stored_image_gets_a_task_of_one_image(runtime: app.Runtime, store: Store, ask: Ask) -> None:
    await store()

    (task,) = (await (await ask("ada")).post(f"{PROJECT}/tasks/next")).json()

    assert task["kind"] == "image"


async def test_answers_to_an_inert_task_make_no_ground_truth(runtime: app.Runtime, store: Store) -> None:
    await store()
    async with roles.arranging(runtime).begin() as session:
        (task_id,) = await session.scalars(update(tables.LabelTask).values(kind="inert").returning(tables.LabelTask.id))
    async with runtime.sessions.begin() as session:
        await annotations.submit(session, task_id, "ada", "page", rules.Answer(states.AnswerKind.LABEL, "can"))

    async with roles.arranging(runtime)() as session:
        assert await session.scalar(select(tables.LabelTask.state)) == "done"
        assert not (await session.scalars(select(tables.GroundTruth))).all()
    assert not [each for each in await wait.outbox(runtime) if isinstance(each, events.ImageLabeled)]
