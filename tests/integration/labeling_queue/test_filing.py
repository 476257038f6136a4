"""What a person's moves in the bucket mean, by where the copies lie."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from sqlalchemy import select

from labeling_queue import filing, labels, rules
from strop import app
from strop_contracts import errors, events, tables
from tests import factories, roles, wait
from tests.integration.labeling_queue.conftest import Store
from tests.integration.labeling_queue.test_handlers import answer, file, handle, move, truth, undo

PROJECT = factories.PROJECT
BODY = factories.picture()


async def moved(runtime: app.Runtime, capture: tables.Capture, **changes: Any) -> None:
    """Handle the event of a copy that was removed, or put back."""
    await handle(runtime, events.CopyMoved(project=capture.project, capture_id=capture.id, **changes))


async def labelled(runtime: app.Runtime, store: Store, *given: str) -> tables.Capture:
    """A capture that got these labels one after the other, its copy in the folder of the last one."""
    capture = await store()
    for label in given:
        await file(runtime, capture, label)
        await move(runtime, capture)
    return capture


async def put(runtime: app.Runtime, capture: tables.Capture, label: str | None) -> None:
    await runtime.storage.put(rules.copy_key(capture, label), BODY)


async def remove(runtime: app.Runtime, capture: tables.Capture, label: str | None) -> None:
    await runtime.storage.delete(rules.copy_key(capture, label))


async def listed(runtime: app.Runtime) -> list[tuple[str, int, str | None]]:
    async with runtime.sessions() as session:
        return [(each.name, each.images, each.nearest) for each in await labels.waiting(session, PROJECT)]


async def decide(runtime: app.Runtime, name: str, label: str) -> None:
    """Decide about a folder, and handle the events that follow."""
    async with runtime.sessions.begin() as session:
        await labels.decide(session, PROJECT, name, label, "ada")
    for event in await wait.outbox(runtime):
        if isinstance(event, events.LabelFiled):
            await handle(runtime, event)


# --- moved back, and between labels ---


async def test_a_copy_put_back_among_the_raw_ones_takes_its_label_back(runtime: app.Runtime, store: Store) -> None:
    capture = await labelled(runtime, store, "can")
    await put(runtime, capture, None)
    await remove(runtime, capture, "can")

    await moved(runtime, capture)
    await moved(runtime, capture)

    assert await truth(runtime, capture) == "nobody said"
    async with runtime.sessions() as session:
        assert await session.scalar(select(tables.LabelTask.state)) == "open"


async def test_a_raw_copy_beside_the_labelled_one_takes_nothing_back(runtime: app.Runtime, store: Store) -> None:
    """As after an upload of an old state of the folders; or its copy is about to be removed: that is reported as well."""
    capture = await labelled(runtime, store, "can")
    await put(runtime, capture, None)

    await moved(runtime, capture)

    assert await truth(runtime, capture) == "can"
    assert await runtime.storage.size(rules.copy_key(capture, None))


async def test_a_removed_copy_takes_no_label_back(runtime: app.Runtime, store: Store) -> None:
    capture = await labelled(runtime, store, "can")
    await remove(runtime, capture, "can")

    await moved(runtime, capture)

    assert await truth(runtime, capture) == "can"


async def test_a_take_back_waits_for_our_own_move(runtime: app.Runtime, store: Store) -> None:
    capture = await store()
    await put(runtime, capture, None)
    await answer(runtime, capture, "can")

    with pytest.raises(errors.RetryLater, match="is being moved"):
        await moved(runtime, capture)

    await move(runtime, capture)
    await moved(runtime, capture)
    assert await truth(runtime, capture) == "can"


@pytest.mark.parametrize("removed_first", [False, True])
async def test_a_move_back_to_an_earlier_label_counts_in_any_order(
    runtime: app.Runtime, store: Store, *, removed_first: bool
) -> None:
    capture = await labelled(runtime, store, "can", "mug")
    await put(runtime, capture, "can")
    if not removed_first:  # S3 reports the new object while the old one is still there
        await file(runtime, capture, "can")
        assert await truth(runtime, capture) == "mug"
    await remove(runtime, capture, "mug")
    await moved(runtime, capture)
    await file(runtime, capture, "can")

    assert await truth(runtime, capture) == "can"


async def test_an_old_state_of_the_folders_uploaded_again_labels_nothing(runtime: app.Runtime, store: Store) -> None:
    capture = await labelled(runtime, store, "can", "mug")
    await put(runtime, capture, "can")

    await file(runtime, capture, "can")
    await moved(runtime, capture)
    assert await truth(runtime, capture) == "mug"
    assert await runtime.storage.size(rules.copy_key(capture, "can"))

    with mock.patch.object(filing, "SETTLED", timedelta()):
        await file(runtime, capture, "can")
    assert await truth(runtime, capture) == "mug"
    assert await runtime.storage.size(rules.copy_key(capture, "can")) is None


async def test_the_last_of_two_moves_counts_though_both_are_reported_late(runtime: app.Runtime, store: Store) -> None:
    capture = await store()
    began = datetime.now(UTC) - timedelta(minutes=2)

    await file(runtime, capture, "can", at=began)
    await file(runtime, capture, "mug", at=began + timedelta(seconds=30))

    assert await truth(runtime, capture) == "mug"


async def test_an_undo_during_our_move_is_not_filed_again(runtime: app.Runtime, store: Store) -> None:
    capture = await store()
    await answer(runtime, capture, "can")
    await put(runtime, capture, "can")  # our move, reported after the undo
    await undo(runtime)

    with pytest.raises(errors.RetryLater):
        await file(runtime, capture, "can")
    await move(runtime, capture)
    await file(runtime, capture, "can")

    assert await truth(runtime, capture) == "nobody said"


# --- unknown labels ---


async def test_the_folder_of_an_unknown_label_waits_for_a_decision(runtime: app.Runtime, store: Store) -> None:
    first, second = await store(0), await store(1)
    for capture in (first, second, second):
        await put(runtime, capture, "Cans")
        await file(runtime, capture, "Cans")

    assert await truth(runtime, first) == "nobody said"
    assert await listed(runtime) == [("Cans", 2, "can")]


async def test_a_confirmed_label_is_given_to_what_waits_and_to_what_comes(runtime: app.Runtime, store: Store) -> None:
    first, second = await store(0), await store(1)
    await file(runtime, first, "jug")

    await decide(runtime, "jug", "jug")
    await file(runtime, second, "jug")

    assert [await truth(runtime, each) for each in (first, second)] == ["jug", "jug"]
    assert await listed(runtime) == []
    async with runtime.sessions() as session:
        assert "jug" in await labels.all_(session, PROJECT)


async def test_a_mapped_folder_is_emptied_into_that_of_its_label(runtime: app.Runtime, store: Store) -> None:
    first, second = await store(0), await store(1)
    await put(runtime, first, "cans")
    await file(runtime, first, "cans")
    await decide(runtime, "cans", "can")
    await put(runtime, second, "cans")
    await file(runtime, second, "cans")
    for capture in (first, second):
        await move(runtime, capture)

    assert [await truth(runtime, each) for each in (first, second)] == ["can", "can"]
    for capture in (first, second):
        assert await runtime.storage.size(rules.copy_key(capture, "cans")) is None
        assert await runtime.storage.size(rules.copy_key(capture, "can"))
    assert await listed(runtime) == []


async def test_a_file_that_is_moved_on_waits_no_more(runtime: app.Runtime, store: Store) -> None:
    first, second, third = [await store(seed) for seed in range(3)]
    for capture in (first, second, third):
        await file(runtime, capture, "cans", at=datetime.now(UTC) - timedelta(minutes=1))

    await file(runtime, first, "can")
    await answer(runtime, second, "mug")
    await put(runtime, third, None)
    await moved(runtime, third)

    assert await listed(runtime) == []
    assert [await truth(runtime, each) for each in (first, second, third)] == ["can", "mug", "nobody said"]


async def test_a_late_report_of_an_earlier_folder_does_not_end_the_wait(runtime: app.Runtime, store: Store) -> None:
    capture = await store()
    await file(runtime, capture, "cans", at=datetime.now(UTC))

    await file(runtime, capture, "can", at=datetime.now(UTC) - timedelta(minutes=1))

    assert await truth(runtime, capture) == "nobody said"
    assert await listed(runtime) == [("cans", 1, "can")]


@pytest.mark.parametrize(
    ("name", "label", "error"),
    [("jug", "jug", "no image .* 'jug'"), ("cans", "mugg", "no label 'mugg': is it 'mug'?"), ("cans", "\t", "empty")],
)
async def test_a_decision_that_cannot_be_made_is_refused(
    runtime: app.Runtime, store: Store, name: str, label: str, error: str
) -> None:
    await file(runtime, await store(), "cans")

    async with runtime.sessions.begin() as session:
        with pytest.raises((errors.Refused, errors.NotFound), match=error.replace("?", r"\?")):
            await labels.decide(session, PROJECT, name, label, "ada")


async def test_a_label_of_the_base_data_is_known(runtime: app.Runtime, store: Store) -> None:
    about = {"project": PROJECT, "dataset": "base", "split": "train"}
    async with roles.arranging(runtime).begin() as session:
        session.add(tables.DatasetItem(**about, key="1", label="jug", sha256="0"))
        session.add(tables.DatasetItem(**about, key="2", label="jar", refused="no image"))
    first, second = await store(0), await store(1)

    await file(runtime, first, "jug")
    await file(runtime, second, "jar")

    assert [await truth(runtime, each) for each in (first, second)] == ["jug", "nobody said"]
