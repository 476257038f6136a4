import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from strop_contracts import errors, tables
from strop_wire import ids
from tests import roles
from tests.integration.trainer import lab as labs
from tests.unit.trainer import lab as shapes
from trainer import triggers

TOO_FEW = "fewer than 5 new labels to learn from (audits do not count)"


@pytest.fixture
def ticking(lab):
    return triggers.Triggers(lab.runtime, lab.settings)


async def test_enough_labels_ask_for_a_training_and_say_why(lab, ticking):
    await lab.field("ring", count=5, audits=0)

    await ticking.tick()

    (run,), (decision,) = await lab.all(tables.TrainingRun), await lab.all(tables.TriggerDecision)
    assert (run.state, run.trigger) == ("requested", "labels")
    assert (decision.train, decision.reasons) == (True, ["5 new labels to learn from, 5 asked for"])
    assert await lab.announced("TrainingRequested") == [{"project": labs.PROJECT, "run_id": str(run.id)}]


async def test_not_yet_is_a_row_too_and_only_one_while_nothing_changes(lab, ticking):
    for _ in range(3):
        await ticking.tick()

    (decision,) = await lab.all(tables.TriggerDecision)
    assert (decision.train, decision.reasons) == (False, [TOO_FEW])
    assert await lab.all(tables.TrainingRun) == []


async def test_one_run_at_a_time(lab, ticking):
    await lab.field("ring", count=5, audits=0)

    for _ in range(2):
        await ticking.tick()

    assert len(await lab.all(tables.TrainingRun)) == 1
    assert (await lab.all(tables.TriggerDecision))[-1].reasons == ["a training run is under way"]


async def test_two_copies_of_the_service_ask_once(lab, ticking):
    await lab.field("ring", count=5, audits=0)
    other = triggers.Triggers(lab.runtime, lab.settings)

    await asyncio.gather(ticking.tick(), other.tick(), ticking.tick())

    assert len(await lab.announced("TrainingRequested")) == 1


async def test_labels_that_a_run_has_seen_do_not_count_again(lab, ticking):
    await lab.field("ring", count=5, audits=0)
    await ticking.tick()
    done = {"state": "succeeded", "started_at": datetime.now(UTC), "finished_at": datetime.now(UTC)}
    async with roles.arranging(lab.runtime).begin() as session:
        await session.execute(update(tables.TrainingRun).values(done))

    await ticking.tick()

    assert len(await lab.all(tables.TrainingRun)) == 1
    assert (await lab.all(tables.TriggerDecision))[-1].reasons == [TOO_FEW]


async def test_audits_are_golden_so_they_do_not_count(lab, ticking):
    await lab.field("ring", count=4, audits=5)
    await ticking.tick()
    assert await lab.all(tables.TrainingRun) == []

    await lab.field("square", count=1, audits=0)
    await ticking.tick()

    assert (await lab.all(tables.TriggerDecision))[-1].reasons == ["5 new labels to learn from, 5 asked for"]


async def test_unusable_images_are_no_labels(lab, ticking):
    for seed in range(5):
        await lab.label(None, shapes.picture("ring", seed))

    await ticking.tick()

    assert await lab.all(tables.TrainingRun) == []


async def test_a_person_may_ask_at_any_time_but_not_twice(lab):
    await lab.base(train=1, valid=0)

    async with lab.runtime.sessions.begin() as session:
        run_id = await triggers.by_hand(session, labs.PROJECT)

    assert (await lab.run(run_id)).trigger == "manual"
    assert await lab.announced("TrainingRequested") == [{"project": labs.PROJECT, "run_id": str(run_id)}]
    async with lab.runtime.sessions() as session:
        with pytest.raises(errors.Refused, match="under way"):
            await triggers.by_hand(session, labs.PROJECT)


async def test_asking_with_too_little_to_learn_from_is_refused_with_what_to_do(lab):
    async with lab.runtime.sessions() as session:
        with pytest.raises(errors.Refused, match=r"at least 2 labels and .* has none: import a base set"):
            await triggers.by_hand(session, labs.PROJECT)

    await lab.base(labels=("ring",), train=1, valid=0)
    await lab.base(labels=("cross",), train=0, valid=1)  # held out: nothing to learn from
    async with lab.runtime.sessions() as session:
        with pytest.raises(errors.Refused, match=r"at least 2 labels and .* has 1:"):
            await triggers.by_hand(session, labs.PROJECT)

    await lab.label("square", shapes.picture("square", 1))
    async with lab.runtime.sessions() as session:
        await triggers.by_hand(session, labs.PROJECT)


async def test_asking_for_an_unknown_project_says_so(lab):
    async with lab.runtime.sessions() as session:
        with pytest.raises(errors.NotFound, match="no project nowhere"):
            await triggers.by_hand(session, "nowhere")


async def lapse(lab, run_id, seconds):
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    async with roles.arranging(lab.runtime).begin() as session:
        change = update(tables.TrainingRun).where(tables.TrainingRun.id == run_id)
        await session.execute(change.values(state="running", lease=ids.uuid7(), leased_until=until, attempts=1))


async def test_a_run_whose_trainer_fell_silent_is_handed_back_once(lab, ticking):
    asked = await lab.ask()
    await lapse(lab, asked.run_id, -1)

    for _ in range(2):
        await ticking.tick()

    run = await lab.run(asked.run_id)
    assert (run.state, run.lease, run.attempts) == ("requested", None, 1)
    assert len(await lab.announced("TrainingRequested")) == 2  # the first request, and the one that hands it back


async def test_a_run_whose_trainer_lives_is_left_alone(lab, ticking):
    asked = await lab.ask()
    await lapse(lab, asked.run_id, 60)

    await ticking.tick()

    assert (await lab.run(asked.run_id)).state == "running"
    assert len(await lab.announced("TrainingRequested")) == 1
