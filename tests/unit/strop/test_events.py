"""Envelopes are written and read, and what cannot be read is invalid."""

import json
from typing import Any

import pytest

from strop_contracts import errors, events
from strop_wire import ids

EVENT = events.ImageDeclined(project="bottles", capture_id=ids.uuid7(), device="line-1", reason="between")


def test_what_is_written_reads_as_the_same() -> None:
    assert events.loads(EVENT.dumps()) == EVENT


def test_an_envelope_names_its_event() -> None:
    assert json.loads(EVENT.dumps()).keys() == {"id", "name", "at", "body"}
    assert json.loads(EVENT.dumps())["name"] == "ImageDeclined"


def test_a_field_of_a_newer_version_is_ignored() -> None:
    data = json.loads(EVENT.dumps())
    data["body"]["colour"] = "blue"

    assert events.loads(json.dumps(data)) == EVENT


def changed(**changes: Any) -> str:
    return json.dumps({**json.loads(EVENT.dumps()), **changes})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not an event: JSONDecodeError"),
        ("[" * 100_000, "not an event: RecursionError"),
        ("[]", "not an event: TypeError"),
        ("null", "not an event: TypeError"),
        ('"text"', "not an event: TypeError"),
        ("{}", "not an event: KeyError: 'name'"),
        (changed(name="ImageEaten"), "not an event: KeyError: 'ImageEaten'"),
        (changed(name=["ImageDeclined"]), "not an event: TypeError"),
        (changed(body=None), "not an event: TypeError"),
        (changed(body="text"), "not an event: TypeError"),
        (changed(body={"project": "bottles"}), "ImageDeclined: capture_id: Field required"),
        (changed(id="7"), "ImageDeclined: id: Input should be a valid UUID"),
        (changed(at="noon"), "ImageDeclined: at: Input should be a valid datetime"),
    ],
)
def test_what_is_no_event_is_invalid_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(errors.InvalidMessage) as caught:
        events.loads(text)

    assert str(caught.value).startswith(reason)
