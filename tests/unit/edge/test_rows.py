"""What the spool's database remembers, and for how long."""

import sqlite3
from pathlib import Path

import pytest

from strop_edge import journal, rows, spool
from strop_wire import messages, reports
from tests.unit.edge.factories import capture
from tests.unit.edge.spools import IMAGE, open_spool, put


def test_an_announced_and_lost_capture_is_reported_until_answered(images: spool.Spool, state: Path) -> None:
    announced = [put(images), put(images)]
    images.due(10)
    for _ in range(10):
        put(images)
    owed = tuple(reports.Lost(id_, "full") for id_ in announced)
    assert images.unreported(10) == owed
    assert images.unreported(1) == owed[:1]
    assert images.unreported(-1) == ()
    images.free([(announced[0], "dropped:cloud:device: full")])
    images.close()

    again = open_spool(state)
    assert again.unreported(10) == owed[1:]
    again.free([(announced[1], "dropped:cloud:device: full")])
    assert again.unreported(10) == ()
    again.close()


def test_a_lost_capture_that_was_never_announced_is_not_reported(images: spool.Spool) -> None:
    for _ in range(11):
        put(images)

    assert images.dropped() == {"full": 1}
    assert images.unreported(10) == ()


@pytest.mark.parametrize("fate", ["stored", "dropped:cloud:duplicate"])
def test_a_lost_capture_with_its_final_answer_is_not_reported(images: spool.Spool, fate: str) -> None:
    id_ = put(images)
    images.due(10)
    images.free([(id_, fate)])
    images.granted([id_])  # late

    assert images.unreported(10) == ()


@pytest.mark.parametrize(("answer", "fate"), [("stored", "stored"), ("dropped:cloud:device: full", "dropped:full")])
def test_an_answer_for_a_lost_one_settles_it_and_only_stored_changes_its_fate(
    images: spool.Spool, state: Path, answer: str, fate: str
) -> None:
    id_ = put(images)
    images.due(10)
    for _ in range(10):
        put(images)

    images.free([(id_, answer)])

    assert images.unreported(10) == ()
    assert journal.fates(state)[id_] == fate
    assert images.dropped() == {"full": 1}
    assert (images.items, images.bytes) == (10, 1000)


def test_an_answer_for_a_lost_one_that_never_was_here_settles_it(images: spool.Spool, state: Path) -> None:
    strange = capture().id
    images.granted([strange])
    assert images.unreported(10) == (reports.Lost(strange, "unknown"),)

    images.free([(strange, "dropped:cloud:device: unknown")])

    assert images.unreported(10) == ()
    assert journal.fates(state) == {}


def test_a_grant_for_a_lost_capture_reports_the_loss_again(images: spool.Spool) -> None:
    lost, strange = put(images), capture().id
    images.due(10)
    for _ in range(10):
        put(images)
    images.free([(lost, "dropped:cloud:device: full")])

    images.granted([lost, strange])

    assert set(images.unreported(10)) == {reports.Lost(lost, "full"), reports.Lost(strange, "unknown")}


def test_a_failed_transaction_leaves_the_totals_right(images: spool.Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(10):
        put(images)
    monkeypatch.setattr(messages.Capture, "dumps", lambda _: object())  # SQLite cannot take this

    with pytest.raises(sqlite3.Error):
        images.put(capture(), IMAGE)

    assert (images.items, images.bytes) == (10, 1000)
    assert not images.dropped()


def test_the_journal_forgets_the_oldest_finished_ones(
    images: spool.Spool, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = put(images)
    ids = [put(images) for _ in range(5)]
    images.free((id_, "stored") for id_ in ids)
    images.close()
    monkeypatch.setattr(rows, "JOURNAL", 2)

    open_spool(state).close()

    assert list(journal.fates(state)) == [waiting, *ids[-2:]]


def test_the_journal_forgets_while_the_agent_runs(
    images: spool.Spool, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "JOURNAL", 5)
    monkeypatch.setattr(rows, "TRIM_EVERY", 3)
    waiting = put(images)
    for _ in range(50):
        images.free([(put(images), "stored")])

    assert len(journal.fates(state)) <= 1 + 5 + 3
    assert waiting in journal.fates(state)
