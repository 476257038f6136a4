import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from labeling_queue import annotations, folders, handlers, queries, rules
from strop import app, consumer, storage
from strop_contracts import errors, events, keys, states, tables
from strop_wire import ids
from tests import factories, roles, wait
from tests.integration.labeling_queue.conftest import Store

OPEN_TRANSACTIONS = text(
    "select * from pg_stat_activity where state like 'idle in transaction%' and datname = current_database()"
)


async def handle(runtime: app.Runtime, event: events.Event) -> None:
    table = handlers.table(runtime)
    await consumer.Consumer("labeling-queue", runtime.sessions, runtime.queues, table)._handle([event])


async def file(runtime: app.Runtime, capture: tables.Capture, label: str, **changes: Any) -> None:
    event = {"project": capture.project, "capture_id": capture.id, "label": label, **changes}
    await handle(runtime, events.LabelFiled(**event))


async def answer(runtime: app.Runtime, capture: tables.Capture, label: str | None, author: str = "ada") -> None:
    """Answer the capture's task; None: a bad image."""
    kind = states.AnswerKind.LABEL if label else states.AnswerKind.BAD
    given = rules.Answer(kind, label)
    async with runtime.sessions.begin() as session:
        task = await session.scalar(select(tables.LabelTask.id).where(tables.LabelTask.capture_id == capture.id))
        assert task
        await annotations.submit(session, task, author, "page", given)


async def undo(runtime: app.Runtime, author: str = "ada") -> None:
    async with runtime.sessions.begin() as session:
        await annotations.undo(session, factories.PROJECT, author)


async def truth(runtime: app.Runtime, capture: tables.Capture) -> str | None:
    async with roles.arranging(runtime)() as session:
        found = await session.get(tables.GroundTruth, capture.id)
        return found.label if found else "nobody said"


async def move(runtime: app.Runtime, capture: tables.Capture, label: str | None = None) -> None:
    """Handle the event about a new ground truth; what it says must not matter."""
    event = {"project": capture.project, "capture_id": capture.id, "device": capture.device, "author": "ada"}
    labeled = events.ImageLabeled(**event, label=label)

    async def done() -> bool:
        try:
            await handle(runtime, labeled)
        except errors.RetryLater:
            return False
        return True

    await wait.until(done)


async def copies(runtime: app.Runtime) -> list[str]:
    """Folders that hold a copy."""
    stored = [key async for key in runtime.storage.keys(f"{factories.PROJECT}/")]
    return [key.split("/", 1)[1].rpartition("/")[0] for key in stored if "/images/" not in key]


# --- ImageStored ---


async def test_a_stored_image_becomes_one_open_task(runtime: app.Runtime, store: Store) -> None:
    capture = await store(margin=0.25)
    about = {"capture_id": capture.id, "device": capture.device, "sha256": capture.sha256}
    await handle(runtime, events.ImageStored(project=capture.project, **about))

    async with roles.arranging(runtime)() as session:
        (task,) = await session.scalars(select(tables.LabelTask))
        assert (task.capture_id, task.state, task.priority) == (capture.id, "open", 0.25)


async def test_an_image_of_no_capture_is_invalid(runtime: app.Runtime, store: Store) -> None:
    with pytest.raises(errors.InvalidMessage, match="there is no capture"):
        await handle(runtime, events.ImageStored(project="p", capture_id=ids.uuid7(), device="d", sha256="0"))


# --- LabelFiled ---


async def test_a_file_moved_by_hand_is_an_answer(runtime: app.Runtime, store: Store) -> None:
    capture = await store()

    await file(runtime, capture, "mug")

    assert await truth(runtime, capture) == "mug"
    async with roles.arranging(runtime)() as session:
        (annotation,) = await session.scalars(select(tables.Annotation))
        assert (annotation.author, annotation.source, annotation.label) == ("folder", "folder", "mug")
        assert await session.scalar(select(tables.LabelTask.state)) == "done"


async def test_a_move_by_hand_counts_over_an_earlier_answer(runtime: app.Runtime, store: Store) -> None:
    capture = await store()
    await answer(runtime, capture, "can")

    await file(runtime, capture, "mug")
    assert await truth(runtime, capture) == "mug"

    await undo(runtime)  # of the answer below it
    assert await truth(runtime, capture) == "mug"


async def test_a_copy_lies_in_a_folder_that_spells_the_slash_of_its_label(runtime: app.Runtime, store: Store) -> None:
    capture = await store()
    await runtime.storage.put(keys.image(capture.project, capture.sha256), b"image")
    await answer(runtime, capture, "N/A")

    await move(runtime, capture)
    assert await copies(runtime) == ["labeled_field_data/N%2FA"]

    await file(runtime, capture, "OK/NOK")
    await move(runtime, capture)
    assert await copies(runtime) == ["labeled_field_data/OK%2FNOK"]


async def test_our_own_move_is_no_new_answer(runtime: app.Runtime, store: Store) -> None:
    capture = await store()
    await answer(runtime, capture, "can")

    await file(runtime, capture, "can")

    async with roles.arranging(runtime)() as session:
        assert await session.scalar(select(func.count()).select_from(tables.Annotation)) == 1


async def test_our_own_move_that_is_reported_after_an_undo_files_nothing(runtime: app.Runtime, store: Store) -> None:
    capture = await store()
    await answer(runtime, capture, "can")
    await undo(runtime)

    await file(runtime, capture, "can")
    assert await truth(runtime, capture) == "nobody said"

    await answer(runtime, capture, "mug")
    await file(runtime, capture, "can")
    assert await truth(runtime, capture) == "mug"


async def test_a_move_by_hand_back_to_an_old_label_is_an_answer_again_later(runtime: app.Runtime, store: Store) -> None:
    capture = await store()
    await answer(runtime, capture, "can")
    await undo(runtime)
    await move(runtime, capture)
    await runtime.storage.put(rules.copy_key(capture, "can"), factories.picture())

    await file(runtime, capture, "can")

    assert await truth(runtime, capture) == "can"


async def test_a_move_that_is_reported_after_a_newer_answer_changes_nothing(runtime: app.Runtime, store: Store) -> None:
    capture = await store()
    async with runtime.sessions.begin() as session:
        before = await queries.now(session)
    await answer(runtime, capture, "can")

    await file(runtime, capture, "mug", at=before)

    assert await truth(runtime, capture) == "can"
    async with runtime.sessions() as session:
        moved, answered = await session.scalars(select(tables.Annotation).order_by(tables.Annotation.at))
        assert (moved.label, moved.at, moved.undone_at, answered.label) == ("mug", before, before, "can")
    told = await wait.outbox(runtime)
    assert [event.label for event in told if isinstance(event, events.ImageLabeled)] == ["can", "can"]


async def test_a_file_that_came_before_its_image_waits(runtime: app.Runtime, store: Store) -> None:
    async with roles.arranging(runtime).begin() as session:
        capture = await factories.make_capture(session, factories.picture(9))

    with pytest.raises(errors.RetryLater, match="not stored yet"):
        await file(runtime, capture, "can")


@pytest.mark.parametrize("change", [{"label": "a\tb"}, {"project": "other"}])
async def test_a_file_that_cannot_be_a_label_is_invalid(
    runtime: app.Runtime, store: Store, change: dict[str, str]
) -> None:
    capture = await store()

    with pytest.raises(errors.InvalidMessage):
        await file(runtime, capture, **{"label": "can", **change})


# --- ImageLabeled ---


async def test_the_copy_follows_the_ground_truth(runtime: app.Runtime, store: Store) -> None:
    capture = await store()
    await runtime.storage.put(rules.copy_key(capture, None), b"as uploaded")

    await answer(runtime, capture, "can")
    await move(runtime, capture, "can")
    assert await copies(runtime) == ["labeled_field_data/can"]

    await undo(runtime)
    await move(runtime, capture)
    assert await copies(runtime) == [f"raw_field_data/{capture.device}"]

    await answer(runtime, capture, "soda can")
    await move(runtime, capture, "soda can")
    assert await copies(runtime) == ["labeled_field_data/soda can"]
    assert await runtime.storage.get(rules.copy_key(capture, "soda can")) == factories.picture()


async def test_an_unusable_image_stays_among_the_raw_ones(runtime: app.Runtime, store: Store) -> None:
    capture = await store()
    await answer(runtime, capture, None)

    await move(runtime, capture)

    assert await copies(runtime) == [f"raw_field_data/{capture.device}"]


async def test_events_that_overtake_each_other_end_at_the_last_answer(runtime: app.Runtime, store: Store) -> None:
    capture = await store()
    for label in ("can", "mug", "glass"):
        await answer(runtime, capture, label)
        await undo(runtime)
    await answer(runtime, capture, "bottle")

    await asyncio.gather(*(move(runtime, capture, label) for label in ("bottle", "can", None, "glass", "mug")))

    assert await copies(runtime) == ["labeled_field_data/bottle"]


async def test_a_move_that_broke_off_is_completed(runtime: app.Runtime, store: Store) -> None:
    capture = await store()
    await answer(runtime, capture, "can")
    for label in (None, "can"):  # copied, not yet deleted
        await runtime.storage.put(rules.copy_key(capture, label), factories.picture())

    await move(runtime, capture, "can")

    assert await copies(runtime) == ["labeled_field_data/can"]


async def test_a_move_whose_image_is_away_fails_so_that_it_comes_again(runtime: app.Runtime, store: Store) -> None:
    capture = await store()
    await answer(runtime, capture, "can")
    await runtime.storage.delete(keys.image(capture.project, capture.sha256))

    for _ in range(2):  # the second time it fails for the same reason: no lease is left
        with pytest.raises(storage.NoSuchObject):
            await move(runtime, capture, "can")


async def test_no_transaction_is_open_while_a_copy_is_moved(runtime: app.Runtime, store: Store) -> None:
    capture = await store()
    await answer(runtime, capture, "can")
    slow = Slow(runtime.storage)
    event = {"project": capture.project, "capture_id": capture.id, "device": capture.device, "author": "ada"}
    labeled = events.ImageLabeled(**event, label="can")
    moving = asyncio.create_task(folders.Folders(runtime.sessions, slow).on_image_labeled(labeled))
    await slow.asked.wait()
    async with roles.arranging(runtime)() as session:
        assert not (await session.execute(OPEN_TRANSACTIONS)).all()
    with pytest.raises(errors.RetryLater):
        await handle(runtime, labeled)

    slow.free.set()
    await moving

    assert await copies(runtime) == ["labeled_field_data/can"]


async def test_a_move_that_was_killed_is_repeated_when_its_lease_ends(runtime: app.Runtime, store: Store) -> None:
    capture = await store()
    await answer(runtime, capture, "can")
    async with roles.arranging(runtime).begin() as session:
        ended = await queries.now(session)
        await session.execute(update(tables.LabelTask).values(copy_leased_until=ended))

    await move(runtime, capture, "can")

    assert await copies(runtime) == ["labeled_field_data/can"]


class Slow(storage.Storage):
    """Copies when it is set free."""

    def __init__(self, real: storage.Storage) -> None:
        vars(self).update(vars(real))
        self.asked, self.free = asyncio.Event(), asyncio.Event()

    async def copy(self, source: str, target: str) -> None:
        self.asked.set()
        await self.free.wait()
        await super().copy(source, target)


async def due(runtime: app.Runtime) -> bool:
    async with runtime.sessions() as session:
        return (await session.scalar(select(tables.LabelTask.copy_due_at))) is not None


async def test_a_copy_is_due_from_the_answer_until_it_is_moved(runtime: app.Runtime, store: Store) -> None:
    capture = await store()
    seen = [await due(runtime)]
    await answer(runtime, capture, "can")
    seen.append(await due(runtime))
    await move(runtime, capture, "can")
    seen.append(await due(runtime))
    await undo(runtime)
    seen.append(await due(runtime))

    assert seen == [False, True, False, True]


async def test_a_copy_stays_due_if_the_answer_changes_during_the_move(runtime: app.Runtime, store: Store) -> None:
    capture = await store()
    await answer(runtime, capture, "can")
    slow = Slow(runtime.storage)
    event = {"project": capture.project, "capture_id": capture.id, "device": capture.device, "author": "ada"}
    labeled = events.ImageLabeled(**event, label="can")
    moving = asyncio.create_task(folders.Folders(runtime.sessions, slow).on_image_labeled(labeled))
    await slow.asked.wait()
    await undo(runtime)
    slow.free.set()
    await moving

    assert await due(runtime)
    await move(runtime, capture)
    assert await copies(runtime) == [f"raw_field_data/{capture.device}"]
    assert not await due(runtime)


async def test_a_file_moved_by_hand_after_the_answer_is_not_deleted(runtime: app.Runtime, store: Store) -> None:
    """Its event is on its way: without the file it would be ignored, and the label lost."""
    capture = await store()
    await answer(runtime, capture, "mug")
    await undo(runtime)
    await answer(runtime, capture, "can")
    await runtime.storage.put(rules.copy_key(capture, "mug"), factories.picture())
    async with roles.arranging(runtime).begin() as session:
        earlier = {name: getattr(tables.Annotation, name) - 2 * rules.IN_FLIGHT for name in ("at", "undone_at")}
        await session.execute(update(tables.Annotation).values(earlier))
        due = tables.LabelTask.copy_due_at - 2 * rules.IN_FLIGHT
        await session.execute(update(tables.LabelTask).values(copy_due_at=due))

    await move(runtime, capture, "can")

    assert await copies(runtime) == ["labeled_field_data/can", "labeled_field_data/mug"]
    await runtime.storage.delete(rules.copy_key(capture, "can"))  # else it is an old state of the folders
    await file(runtime, capture, "mug")
    await move(runtime, capture, "mug")
    assert (await truth(runtime, capture), await copies(runtime)) == ("mug", ["labeled_field_data/mug"])


async def test_a_label_for_no_capture_is_invalid(runtime: app.Runtime, store: Store) -> None:
    with pytest.raises(errors.InvalidMessage, match="there is no capture"):
        await handle(
            runtime, events.ImageLabeled(project="p", capture_id=ids.uuid7(), device="d", label="x", author="a")
        )
