import contextlib
import itertools
import sqlite3
import time
from pathlib import Path

import pytest

from strop_edge import disk, journal, spool
from strop_wire import messages, reports
from tests.unit.edge.factories import capture
from tests.unit.edge.spools import IMAGE, files, open_spool, put


def test_what_was_put_is_announced_and_can_be_read(images: spool.Spool, state: Path) -> None:
    offered = capture()
    images.put(offered, IMAGE)

    (item,) = images.due(10)

    assert messages.Capture.loads(item.message) == offered
    assert images.read(offered.id) == IMAGE
    assert (images.items, images.bytes) == (1, 100)
    assert journal.fates(state) == {offered.id: "announced"}


def test_an_announced_capture_rests_until_its_answer_is_overdue(images: spool.Spool) -> None:
    put(images)

    assert len(images.due(10)) == 1
    assert images.due(10) == []


def test_without_an_answer_it_is_announced_again_ever_later(state: Path) -> None:
    impatient = open_spool(state, answer_after=0.02)
    put(impatient)
    times: list[tuple[float, float]] = []  # right before and right after each announcement
    deadline = time.monotonic() + 20
    while len(times) < 4 and time.monotonic() < deadline:
        before = time.monotonic()
        if impatient.due(10):
            times.append((before, time.monotonic()))
    impatient.close()

    waits = [later[1] - earlier[0] for earlier, later in itertools.pairwise(times)]
    assert waits[0] >= 0.02 * 0.75
    assert waits[1] >= 0.04 * 0.75
    assert waits[2] >= 0.08 * 0.75


def test_due_keeps_to_its_limit_and_starts_with_the_oldest(images: spool.Spool) -> None:
    ids = [put(images) for _ in range(5)]

    assert [item.id for item in images.due(2)] == ids[:2]
    assert [item.id for item in images.due(2)] == ids[2:4]


def test_after_a_reconnect_all_are_announced_again_but_those_that_are_being_uploaded(images: spool.Spool) -> None:
    ids = [put(images) for _ in range(3)]
    images.due(10)
    images.granted([ids[1]])

    images.announce_all()

    assert [item.id for item in images.due(10)] == [ids[0], ids[2]]


def test_after_a_restart_all_are_announced_again(images: spool.Spool, state: Path) -> None:
    ids = [put(images) for _ in range(3)]
    images.due(10)
    images.granted([ids[1]])
    images.close()

    again = open_spool(state)
    assert [item.id for item in again.due(10)] == ids
    assert (again.items, again.bytes) == (3, 300)
    again.close()


def test_after_a_restart_one_that_was_granted_unasked_is_announced_too(images: spool.Spool, state: Path) -> None:
    """When it is due was said by a clock that a reboot sets back."""
    id_ = put(images)
    images.granted([id_])
    images.close()

    again = open_spool(state)
    assert [item.id for item in again.due(10)] == [id_]
    again.close()


def test_only_a_final_answer_frees(images: spool.Spool, state: Path) -> None:
    stored, unwanted = put(images), put(images)
    images.due(10)
    images.granted([stored])
    images.uploaded(stored)
    assert files(state) == {stored, unwanted}

    images.free([(stored, "stored"), (unwanted, "dropped:cloud:near-duplicate")])

    assert files(state) == set()
    assert (images.items, images.bytes) == (0, 0)
    assert journal.fates(state) == {stored: "stored", unwanted: "dropped:cloud:near-duplicate"}
    assert not images.dropped(), "what the cloud decides is no loss"


def test_a_repeated_or_unknown_answer_changes_nothing(images: spool.Spool) -> None:
    freed = put(images)
    put(images)

    for _ in range(2):
        images.free([(freed, "stored"), (capture().id, "stored")])

    assert (images.items, images.bytes) == (1, 100)


def test_a_grant_is_taken_for_what_is_here_only(images: spool.Spool) -> None:
    here = put(images)

    assert images.granted([here, capture().id]) == {here}


def test_a_second_grant_right_after_the_upload_is_not_taken(images: spool.Spool) -> None:
    id_ = put(images)
    images.granted([id_])
    images.uploaded(id_)

    assert images.granted([id_]) == set()


def test_an_upload_without_stored_is_announced_and_granted_again(state: Path) -> None:
    images = open_spool(state, answer_after=0)
    id_ = put(images)
    images.granted([id_])
    images.uploaded(id_)

    assert [item.id for item in images.due(10)] == [id_]
    assert images.granted([id_]) == {id_}
    images.close()


def test_a_useless_grant_lets_the_capture_be_announced_again(images: spool.Spool) -> None:
    id_ = put(images)
    images.due(10)
    images.granted([id_])

    images.announce_again(id_, 0)

    assert [item.id for item in images.due(10)] == [id_]


def test_when_full_the_oldest_goes_and_is_counted(images: spool.Spool, state: Path) -> None:
    ids = [put(images) for _ in range(11)]

    assert images.bytes == 1000
    assert files(state) == set(ids[1:])
    assert images.dropped() == {"full": 1}
    assert journal.fates(state)[ids[0]] == "dropped:full"


def test_audits_go_last(images: spool.Spool, state: Path) -> None:
    audit = put(images, audit=True)
    others = [put(images) for _ in range(9)]

    put(images)

    assert audit in files(state)
    assert others[0] not in files(state)


def test_among_audits_alone_the_oldest_goes(images: spool.Spool, state: Path) -> None:
    ids = [put(images, audit=True) for _ in range(11)]

    assert files(state) == set(ids[1:])


def test_a_large_one_displaces_as_many_as_it_needs(images: spool.Spool) -> None:
    for _ in range(10):
        put(images)

    put(images, b"y" * 250)

    assert images.bytes == 950
    assert images.dropped() == {"full": 3}


def test_what_can_never_fit_is_refused_and_counted(images: spool.Spool) -> None:
    put(images)

    assert not images.put(capture(), b"x" * 1001)
    assert images.items == 1
    assert images.dropped() == {"too-large": 1}


def test_stored_after_an_eviction_is_what_the_journal_remembers(images: spool.Spool, state: Path) -> None:
    ids = [put(images) for _ in range(11)]

    images.free([(ids[0], "stored")])

    assert journal.fates(state)[ids[0]] == "stored"
    assert images.items == 10


def test_drops_of_earlier_runs_are_kept_apart(images: spool.Spool, state: Path) -> None:
    images.count_drop("too-large")
    images.close()

    again = open_spool(state)
    again.count_drop("too-large")

    assert again.dropped() == {"too-large": 1}
    assert journal.drops(state) == {"too-large": 2}
    again.close()


def test_a_file_without_a_row_goes_at_the_next_start(images: spool.Spool, state: Path) -> None:
    kept = put(images)
    images.close()
    (journal.spool_folder(state) / "images" / capture().id).write_bytes(IMAGE)
    (journal.spool_folder(state) / "images" / f".{capture().id}").write_bytes(b"half")

    again = open_spool(state)
    assert files(state) == {kept}
    assert not again.dropped()
    again.close()


def test_captures_that_a_damaged_database_lost_are_reported(images: spool.Spool, state: Path) -> None:
    ids = {put(images) for _ in range(3)}
    images.close()
    folder = journal.spool_folder(state)
    (folder / "images" / "stray").write_bytes(b"")
    (folder / spool.DATABASE).write_bytes(b"not a database" * 1000)

    again = open_spool(state)
    assert set(again.unreported(10)) == {reports.Lost(id_, "lost-database") for id_ in ids}
    again.close()


def test_losses_to_report_survive_a_damaged_page(images: spool.Spool, state: Path) -> None:
    images.close()
    images = open_spool(state, limit=100_000)
    for _ in range(300):
        put(images)
    (item,) = images.due(1)
    (journal.spool_folder(state) / "images" / item.id).unlink()
    images.read(item.id)
    images.close()
    spoil(journal.spool_folder(state) / spool.DATABASE)

    again = open_spool(state, limit=100_000)
    assert reports.Lost(item.id, "lost-file") in again.unreported(1000)
    again.close()


@pytest.mark.parametrize("left", [None, b"half"])
def test_a_row_without_its_whole_file_is_a_counted_drop(images: spool.Spool, state: Path, left: bytes | None) -> None:
    lost, kept = put(images), put(images)
    images.close()
    path = journal.spool_folder(state) / "images" / lost
    path.unlink() if left is None else path.write_bytes(left)

    again = open_spool(state)
    assert again.dropped() == {"lost-file": 1}
    assert (again.items, files(state)) == (1, {kept})
    assert journal.fates(state)[lost] == "dropped:lost-file"
    again.close()


def test_a_file_that_vanishes_while_running_is_a_counted_drop(images: spool.Spool, state: Path) -> None:
    id_ = put(images)
    (journal.spool_folder(state) / "images" / id_).unlink()

    assert images.read(id_) is None
    assert images.dropped() == {"lost-file": 1}
    assert images.items == 0


def test_reading_what_was_freed_is_no_drop(images: spool.Spool) -> None:
    id_ = put(images)
    images.free([(id_, "stored")])

    assert images.read(id_) is None
    assert not images.dropped()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_damaged_database_is_put_aside_and_the_loss_counted(images: spool.Spool, state: Path) -> None:
    put(images)
    put(images)
    images.close()
    database = journal.spool_folder(state) / spool.DATABASE
    database.write_bytes(b"not a database" * 1000)

    again = open_spool(state)
    assert again.dropped() == {"lost-database": 2}
    assert again.items == 0
    assert put(again) in files(state)
    assert (journal.spool_folder(state) / f"damaged-{spool.DATABASE}").exists()
    again.close()


def spoil(database: Path) -> None:
    """Overwrite the page in the middle."""
    size = database.stat().st_size // 4096
    with database.open("r+b") as file:
        file.seek(size // 2 * 4096)
        file.write(b"\x17" * 4096)


def test_of_a_database_with_a_damaged_page_all_but_that_page_goes_on(images: spool.Spool, state: Path) -> None:
    images.close()
    images = open_spool(state, limit=100_000)
    audit, *others = [put(images, audit=number == 0) for number in range(300)]
    images.count_drop("too-large")
    images.close()
    spoil(journal.spool_folder(state) / spool.DATABASE)

    again = open_spool(state, limit=100_000)
    lost = again.dropped()["lost-database"]
    announced = {item.id for item in again.due(1000)}

    assert 0 < lost < 20
    assert again.dropped() == {"lost-database": lost}
    assert journal.drops(state) == {"lost-database": lost, "too-large": 1}
    assert len(announced) == again.items == 300 - lost
    assert audit in announced
    assert announced == files(state) < {audit, *others}
    assert all(again.read(id_) == IMAGE for id_ in announced)
    again._rows.evict(again.bytes - 100, "full")
    assert journal.fates(state)[audit] == "announced", "it is still known to be an audit"
    again.close()


def test_a_kill_between_putting_aside_and_salvage_loses_nothing(images: spool.Spool, state: Path) -> None:
    kept = {put(images) for _ in range(3)}
    images.close()
    database = journal.spool_folder(state) / spool.DATABASE
    database.rename(disk.aside(database))

    again = open_spool(state)
    assert {item.id for item in again.due(10)} == kept
    assert not again.dropped()
    again.close()


def test_a_salvaged_capture_has_the_size_that_it_was_announced_with(images: spool.Spool, state: Path) -> None:
    id_ = put(images)
    images.close()
    database = journal.spool_folder(state) / spool.DATABASE
    with contextlib.closing(sqlite3.connect(database)) as db, db:
        db.execute("UPDATE captures SET size = 7")
    database.rename(disk.aside(database))

    again = open_spool(state)
    assert [item.id for item in again.due(10)] == [id_]
    assert (again.bytes, again.dropped()) == (len(IMAGE), {})
    again.close()
