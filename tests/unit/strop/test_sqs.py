"""Cutting messages into batches."""

from hypothesis import given, settings
from hypothesis import strategies as st

from strop import sqs

BIG = sqs.BATCH_BYTES // 3


@settings(deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(st.integers(0, BIG), st.booleans()), max_size=40))
def test_batches_hold_everything_in_order_and_keep_the_limits(sizes: list[tuple[int, bool]]) -> None:
    messages = [sqs.Outgoing("x" * size, "a reason" if reason else None) for size, reason in sizes]

    cut = list(sqs.batches(messages))

    assert [index for batch in cut for index in batch] == list(range(len(messages)))
    for batch in cut:
        assert 1 <= len(batch) <= sqs.BATCH
        assert sum(len(messages[i].body) + len(messages[i].reason or "") for i in batch) <= sqs.BATCH_BYTES


def test_bytes_are_counted_not_characters() -> None:
    body = "ü" * (sqs.BATCH_BYTES // 3)

    assert [len(batch) for batch in sqs.batches([sqs.Outgoing(body)] * 2)] == [1, 1]


def test_a_message_over_the_limit_goes_alone() -> None:
    small, huge = sqs.Outgoing("x"), sqs.Outgoing("x" * (sqs.BATCH_BYTES + 1))

    assert list(sqs.batches([small, huge, small])) == [range(1), range(1, 2), range(2, 3)]


def test_nothing_makes_no_batch() -> None:
    assert list(sqs.batches([])) == []


def test_a_reason_is_made_fit_to_be_sent_and_stored() -> None:
    assert sqs.printable("überall\x00\x1b\ud800\ufffe" + "x" * 2000) == "überall    " + "x" * 989
