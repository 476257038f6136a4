import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from sqlalchemy import delete, func, text, update

from strop import consumer
from strop_contracts import errors, events, tables
from strop_wire import ids
from tests import factories, roles, wait
from tests.integration.trainer import lab as labs
from tests.unit.trainer import lab as shapes
from trainer import handlers, lease, triggers

TOO_FEW = "fewer than 5 new labels to learn from (audits do not count)"

REFUSE = "create function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused'; end $$"
REFUSE_POISONED = (
    "create trigger refuse before insert on trigger_decisions for each row"
    " when (new.project = 'a-poisoned-project') execute function refuse()"
)


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


async def test_labels_whose_event_was_lost_are_counted_within_the_limit(lab, monkeypatch):
    monkeypatch.setattr(lab.runtime.settings, "reconcile_after", 0.01)
    ticking = triggers.Triggers(lab.runtime, lab.settings)
    await ticking.tick()
    await lab.field("ring", count=5, audits=0)
    async with roles.arranging(lab.runtime).begin() as session:
        await session.execute(delete(tables.TriggerCheck))

    async def requested():
        await ticking.tick()
        return await lab.all(tables.TrainingRun)

    assert len(await wait.until(requested)) == 1


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


async def test_a_tick_without_an_event_evaluates_nothing(lab, ticking):
    await ticking.tick()
    await lab.write_truth(factories.capture(b"unreported"), "ring", datetime.now(UTC))
    async with roles.arranging(lab.runtime).begin() as session:
        await session.execute(delete(tables.TriggerDecision))

    await ticking.tick()

    assert await lab.all(tables.TriggerDecision) == []
    assert await lab.all(tables.TriggerCheck) == []


async def test_an_event_has_the_trigger_of_its_project_evaluated(lab, ticking):
    await ticking.tick()
    for seed in range(5):
        await lab.write_truth(factories.capture(shapes.picture("ring", seed)), "ring", labs.START)
    table = handlers.table(lab.runtime, lab.settings)
    reader = consumer.Consumer("trainer", lab.runtime.sessions, lab.runtime.queues, table)
    about = {"project": labs.PROJECT, "device": "d", "label": "ring", "author": "ann"}
    await reader._handle([events.ImageLabeled(**about, capture_id=ids.uuid7()) for _ in range(2)])

    await ticking.tick()

    assert [run.trigger for run in await lab.all(tables.TrainingRun)] == ["labels"]


async def test_the_end_of_the_quiet_time_needs_no_event(lab):
    settings = lab.settings.model_copy(update={"debounce": 0.5})
    ticking = triggers.Triggers(lab.runtime, settings)
    await lab.field("ring", count=5, audits=0)
    async with roles.arranging(lab.runtime).begin() as session:
        await session.execute(update(tables.GroundTruth).values(at=func.now()))

    async def requested() -> bool:
        await ticking.tick()
        return bool(await lab.all(tables.TrainingRun))

    await wait.until(requested)
    waiting, enough = await lab.all(tables.TriggerDecision)
    assert waiting.reasons == ["labels are still coming in: waiting for 0.5 s of quiet"]
    labels = await lab.all(tables.GroundTruth)
    assert enough.at - max(each.at for each in labels) >= timedelta(seconds=0.5)


async def test_labels_of_a_running_training_count_when_it_ends(lab, ticking):
    asked = await lab.ask()
    run = await lease.take(lab.runtime.sessions, asked.run_id, 60)
    assert run
    await lab.field("ring", count=5, audits=0)
    async with roles.arranging(lab.runtime).begin() as session:
        await session.execute(update(tables.GroundTruth).values(at=func.now()))
    await ticking.tick()
    assert (await lab.all(tables.TriggerDecision))[-1].reasons == ["a training run is under way"]

    async with lab.runtime.sessions.begin() as session:
        await lease.Lease(lab.runtime.sessions, run, 60).end(session, state="failed")
    await ticking.tick()

    assert (await lab.all(tables.TriggerDecision))[-1].train


async def test_a_project_that_fails_does_not_stop_the_others(lab, ticking):
    async with roles.arranging(lab.runtime).begin() as session:
        await factories.make_project(session, "a-poisoned-project", devices=())
        await session.execute(text(REFUSE))
        await session.execute(text(REFUSE_POISONED))
    await lab.field("ring", count=5, audits=0)

    with structlog.testing.capture_logs() as logged:
        await ticking.tick()

    assert [each["project"] for each in logged if each["event"] == "tick_failed"] == ["a-poisoned-project"]
    assert [run.project for run in await lab.all(tables.TrainingRun)] == [labs.PROJECT]
    assert "a-poisoned-project" in {check.project for check in await lab.all(tables.TriggerCheck)}


async def test_a_project_that_is_being_deleted_is_not_evaluated(lab, ticking):
    await lab.field("ring", count=5, audits=0)
    async with roles.arranging(lab.runtime).begin() as session:
        await session.execute(update(tables.Project).values(deletion_id=ids.uuid7()))

    await ticking.tick()

    assert await lab.all(tables.TriggerDecision) == []
    assert await lab.all(tables.TriggerCheck) == []


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
