"""Remarks about the queues."""

from strop_cli import status


def test_unsent_messages_and_dead_letters_are_noted() -> None:
    assert status.notes(0, 0) is None
    assert status.notes(2, 0) == "2 messages not yet sent to a queue"
    assert status.notes(0, 1) == "`strop dlq list` shows the dead letters"
