"""Ids are UUIDs of version 7."""

import time

from strop_wire import ids


def test_an_id_is_of_version_7_and_holds_the_time() -> None:
    before = time.time_ns() // 1_000_000
    made = ids.uuid7()
    after = time.time_ns() // 1_000_000

    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert before <= made.int >> 80 <= after


def test_ids_differ_even_within_a_millisecond() -> None:
    assert len({ids.new_id() for _ in range(10_000)}) == 10_000
