"""What reads the messages and files of strangers gives a result or a refusal, whatever it is given."""

import json
from collections import Counter

import hypothesis
import pytest

from strop_wire import fields, messages
from tests import fuzz, wellformed

FEW = hypothesis.settings(max_examples=100, deadline=None, derandomize=True, database=None)


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_any_input_is_read_or_refused(name: str) -> None:
    fuzz.throw(name, FEW)


@pytest.mark.parametrize("kind", wellformed.MESSAGES)
def test_most_inputs_get_past_the_parser_and_differ_in_their_fields(kind: type[messages.Capture]) -> None:
    inputs = fuzz.drawn(fuzz.said(kind), FEW)
    reached = Counter(_reached(kind, payload) for payload in inputs)

    assert reached["parser"] < 0.25 * len(inputs), reached
    assert reached["field"] > 0.25 * len(inputs), reached
    assert reached["end"] > 0.05 * len(inputs), reached


def _reached(kind: type[messages.Capture], payload: bytes) -> str:
    """How far a message is read."""
    try:
        json.loads(payload)
    except (ValueError, RecursionError):
        return "parser"
    try:
        kind.loads(payload)
    except fields.Malformed:
        return "field"
    return "end"


def test_no_message_of_the_wire_is_left_out() -> None:
    # By name: a class that was given slots is another one than the one that was declared.
    assert {kind.__name__ for kind in wellformed.MESSAGES} == {
        kind.__name__ for kind in messages.Message.__subclasses__()
    }


def test_all_that_devices_say_is_thrown_at_ingest() -> None:
    assert {topic.rpartition("/")[2] for topic in wellformed.UP.values()} == {"capture", "state", "fetch"}
