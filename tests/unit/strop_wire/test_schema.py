"""The schemas that strangers read agree with the code that reads their messages."""

import json
from datetime import datetime
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from strop_wire import fields, messages, reports, schema
from tests import factories
from tests.unit.strop_wire import strategies

formats = jsonschema.FormatChecker(("uuid",))
formats.checks("date-time", ValueError)(lambda value: not isinstance(value, str) or bool(datetime.fromisoformat(value)))


def _validator(kind: type) -> jsonschema.Draft7Validator:
    made = schema.whole(kind)
    jsonschema.Draft7Validator.check_schema(made)
    return jsonschema.Draft7Validator(made, format_checker=formats)


KINDS = (messages.Capture, messages.Grant, messages.Desired, messages.Fetch, reports.State, messages.Answer)
VALIDATORS: dict[type, jsonschema.Draft7Validator] = {kind: _validator(kind) for kind in KINDS}


def objects(value: Any) -> list[dict[str, Any]]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    found = [each for item in inner for each in objects(item)]
    return [*([value] if isinstance(value, dict) else []), *found]


@given(strategies.all_messages | strategies.fetches)
def test_what_is_written_follows_the_schema(message: messages.Message) -> None:
    VALIDATORS[type(message)].validate(json.loads(message.dumps()))


tame = (
    st.one_of(  # not the few things that a schema cannot tell: 1.0 is no integer here, and a label must show something
        st.none(),
        st.booleans(),
        st.integers(-1, 2**60),
        st.sampled_from([0.5, -0.5, 1.5]),
        st.text("aZ0 -/\\", max_size=101).filter(lambda text: text == text.strip()),
        st.sampled_from(["low", "failed", "2026-03-01T12:00:00Z", "0" * 64, "01999c1e-54a0-7c3e-8a52-6f1d0c9b7e21"]),
        st.just([]),
        st.just({}),
    )
)


@settings(suppress_health_check=[HealthCheck.filter_too_much])  # most replacements do not follow the schema
@given(strategies.captures | strategies.states | strategies.fetches | strategies.predictions, st.data())
def test_what_follows_the_schema_is_taken(message: messages.Capture, data: st.DataObject) -> None:
    body = json.loads(message.dumps())
    holder = data.draw(st.sampled_from([body, *objects(body)]))
    name = data.draw(st.sampled_from(sorted(holder) or ["new"]))
    if data.draw(st.booleans()):
        holder[name] = data.draw(tame)
    else:
        holder.pop(name, None)
    assume(VALIDATORS[type(message)].is_valid(body))

    type(message).loads(json.dumps(body).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"id": "7"},
        {"captured_at": "yesterday"},
        {"model": ""},
        {"predictions": []},
        {"predictions": [{"label": "a\u0007b", "confidence": 1}]},
        {"predictions": [{"label": "x" * 256, "confidence": 1}]},
        {"predictions": [{"label": "can", "confidence": 1.01}]},
        {"reason": "mood"},
        {"audit": "yes"},
        {"policy": -1},
        {"sha256": "A" * 64},
        {"size": messages.MAX_IMAGE_BYTES + 1},
        {"content_type": "image/gif"},
        {"phash": "xyz"},
        {"seen": 0},
        {"v": 2},
    ],
)
def test_what_is_refused_does_not_follow_the_schema(change: dict[str, Any]) -> None:
    body = {**json.loads(factories.announcement(b"bytes").dumps()), **change}

    with pytest.raises(fields.Malformed):
        messages.Capture.loads(json.dumps(body).encode())
    assert not VALIDATORS[messages.Capture].is_valid(body)


def test_every_field_has_a_meaning() -> None:
    for kind in KINDS:
        for part in schema.parts(kind):
            for name, found in schema.of(part)["properties"].items():
                assert found.get("description"), f"{part.__name__}.{name}"


def test_defaults_are_those_of_the_reader() -> None:
    made = schema.of(reports.State)
    defaults = {name: found["default"] for name, found in made["properties"].items() if "default" in found}
    body = {**json.loads(factories.state().dumps())}

    read = reports.State.loads(json.dumps({name: body[name] for name in made["required"]}).encode())

    assert defaults == {name: json.loads(read.dumps())[name] for name in defaults}
