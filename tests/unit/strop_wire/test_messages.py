"""What is written can be read, and what cannot be read is Malformed, whatever it is."""

import json
from dataclasses import fields as columns
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop_wire import MAX_PAYLOAD, fields, messages, reports
from tests import factories
from tests.unit.strop_wire import strategies

KINDS = (messages.Capture, messages.Grant, messages.Desired, messages.Fetch, reports.State, messages.Answer)


@given(strategies.all_messages)
def test_what_is_written_reads_as_the_same(message: messages.Message) -> None:
    assert type(message).loads(message.dumps()) == message


@given(strategies.policies)
def test_a_policy_reads_as_the_same(policy: messages.Policy) -> None:
    body = {each.name: getattr(policy, each.name) for each in columns(policy)}

    assert messages.Policy.read(body) == policy


@given(strategies.all_messages, strategies.extras)
def test_unknown_fields_are_ignored(message: messages.Message, extra: dict[str, Any]) -> None:
    grown = {**extra, **json.loads(message.dumps())}

    assert type(message).loads(json.dumps(grown).encode()) == message


@given(st.sampled_from(KINDS), st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_malformed_at_worst(kind: type[messages.Capture], payload: bytes) -> None:
    read_or_malformed(kind, payload)


@given(st.sampled_from(KINDS), strategies.json_values)
def test_any_json_is_malformed_at_worst(kind: type[messages.Capture], value: Any) -> None:
    read_or_malformed(kind, json.dumps(value).encode())


@given(strategies.all_messages, st.data())
def test_a_message_with_one_value_replaced_is_malformed_at_worst(
    message: messages.Message, data: st.DataObject
) -> None:
    body = json.loads(message.dumps())
    holder = data.draw(st.sampled_from([body, *objects(body)]))
    if holder:
        holder[data.draw(st.sampled_from(sorted(holder)))] = data.draw(strategies.json_values)

    read_or_malformed(type(message), json.dumps(body).encode())


@given(strategies.all_messages, st.data())
def test_a_message_with_one_field_missing_is_malformed_at_worst(message: messages.Message, data: st.DataObject) -> None:
    body = json.loads(message.dumps())
    holder = data.draw(st.sampled_from([body, *objects(body)]))
    if holder:
        del holder[data.draw(st.sampled_from(sorted(holder)))]

    read_or_malformed(type(message), json.dumps(body).encode())


@given(strategies.states | strategies.captures, st.data())
def test_what_was_read_can_be_stored(message: messages.Message, data: st.DataObject) -> None:
    """PostgreSQL takes neither a zero character nor half a surrogate pair, in a text or in JSON."""
    body = json.loads(message.dumps())
    holder = data.draw(st.sampled_from([body, *objects(body)]))
    if holder:
        evil = data.draw(st.sampled_from(["\0", "a\0b", "\ud800", ["\0"], {"\0": 1}, {"\udfff": 1}, "\U0001f984"]))
        holder[data.draw(st.sampled_from(sorted(holder)))] = evil

    try:
        read = type(message).loads(json.dumps(body).encode())
    except fields.Malformed:
        return

    written = read.dumps().decode()
    assert "\\u0000" not in written
    assert "\\ud800" not in written
    assert "\\udfff" not in written


def read_or_malformed(kind: type[Any], payload: bytes) -> None:
    try:
        message = kind.loads(payload)
    except fields.Malformed:
        return
    assert kind.loads(message.dumps()) == message


def objects(value: Any) -> list[dict[str, Any]]:
    """All objects inside of a JSON value."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    found = [each for item in inner for each in objects(item)]
    return [*([value] if isinstance(value, dict) else []), *found]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": "7"}, "id: expected a UUID, got '7'"),
        ({"captured_at": "yesterday"}, "captured_at: expected an ISO 8601 time, got 'yesterday'"),
        ({"captured_at": 1700000000}, "captured_at: expected an ISO 8601 time"),
        ({"model": ""}, "model: expected a text of 1 to 64 characters"),
        ({"predictions": []}, "predictions: expected at least one"),
        ({"predictions": "can"}, "predictions: expected a list"),
        ({"predictions": [{"label": "a\x07b", "confidence": 1}]}, "label 'a\\x07b' holds U+0007 (a control character)"),
        (
            {"predictions": [{"label": "can", "confidence": 1.01}]},
            "confidence: expected a number from 0 to 1, got 1.01",
        ),
        ({"reason": "mood"}, "reason: expected one of low, high, novel, request, audit, got 'mood'"),
        ({"audit": "yes"}, "audit: expected true or false, got 'yes'"),
        ({"probability": True}, "probability: expected a number from 0 to 1, got True"),
        ({"policy": 1.5}, "policy: expected a whole number"),
        ({"sha256": "A" * 64}, "sha256: expected 64 lower-case hexadecimal digits"),
        ({"size": 0}, "size: expected a whole number from 1 to"),
        ({"size": messages.MAX_IMAGE_BYTES + 1}, "size: expected a whole number from 1 to"),
        ({"content_type": "image/gif"}, "content_type: expected one of image/jpeg, image/png, image/webp"),
        ({"phash": "xyz"}, "phash: expected 16 hexadecimal digits"),
        ({"seen": 0}, "seen: expected a whole number from 1"),
        ({"v": 2}, "version 2 is not supported"),
    ],
)
def test_what_is_wrong_with_a_capture_is_said(change: dict[str, Any], reason: str) -> None:
    body = {**json.loads(factories.announcement(b"bytes").dumps()), **change}

    with pytest.raises(fields.Malformed) as caught:
        messages.Capture.loads(json.dumps(body).encode())

    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "not JSON"),
        (b"[]", "expected a JSON object, got list"),
        (b'{"a": NaN}', "not JSON: NaN is not JSON"),
        (b'{"a": -Infinity}', "not JSON: -Infinity is not JSON"),
        (b"\xff\xfe\xfd", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a": "\\u0000"}', "not JSON: a text holds a zero character"),
        (b'{"\\u0000": 1}', "not JSON: a text holds a zero character"),
        (b'{"a": ["\\ud800"]}', "not JSON: 'utf-8' codec can't encode"),
        (b'{"a": "\xed\xa0\x80"}', "not JSON: 'utf-8' codec can't decode"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b" " * (MAX_PAYLOAD + 1), f"payload of {MAX_PAYLOAD + 1} bytes is over the limit"),
    ],
)
def test_what_is_not_even_an_object_is_said(payload: bytes, reason: str) -> None:
    with pytest.raises(fields.Malformed) as caught:
        messages.Capture.loads(payload)

    assert str(caught.value).startswith(reason)


def test_a_time_without_a_zone_is_utc() -> None:
    body = {**json.loads(factories.announcement(b"bytes").dumps()), "captured_at": "2026-03-01T12:00:00"}

    read = messages.Capture.loads(json.dumps(body).encode())

    assert read.captured_at.isoformat() == "2026-03-01T12:00:00+00:00"


def test_predictions_are_ranked_and_the_margin_is_between_the_two_best() -> None:
    found = [("mug", 0.2), ("can", 0.7), ("bottle", 0.1)]
    said = factories.announcement(b"bytes", predictions=tuple(messages.Prediction(*each) for each in found))

    read = messages.Capture.loads(said.dumps())

    assert (read.label, read.confidence) == ("can", 0.7)
    assert read.margin == pytest.approx(0.5)


def test_with_a_single_label_the_margin_is_the_confidence() -> None:
    said = factories.announcement(b"bytes", predictions=(messages.Prediction("can", 0.7),))

    assert said.margin == 0.7


def test_a_policy_whose_low_is_above_high_is_malformed() -> None:
    body = {"version": 1, "measure": "margin", "low": 0.9, "high": 0.6, "high_rate": 0, "audit_rate": 0}

    with pytest.raises(fields.Malformed, match=r"low 0\.9 is above high 0\.6"):
        messages.Policy.read(body)


FILE = {"sha256": "0" * 64, "size": 1}


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (None, "1 to 16 files"),
        ({}, "1 to 16 files"),
        ({"model.onnx": FILE}, "model.json missing"),
        ({"model.json": FILE, "../x": FILE}, "plain file name"),
        ({"model.json": FILE, ".hidden": FILE}, "plain file name"),
        ({"model.json": FILE, "a/b": FILE}, "plain file name"),
        ({"model.json": FILE, "x.onnx": "0"}, "plain file name"),
        ({"model.json": FILE, "x.onnx": {**FILE, "size": 2**31}}, "size: expected a whole number"),
        ({f"{number}": FILE for number in range(17)}, "1 to 16 files"),
    ],
)
def test_a_desired_with_files_that_no_package_has_is_malformed(files: Any, reason: str) -> None:
    body = {"deployment": "d", "model": "v1", "files": files}

    with pytest.raises(fields.Malformed, match=reason):
        messages.Desired.loads(json.dumps(body).encode())


def test_an_upload_without_an_address_is_malformed() -> None:
    body = {"captures": [{"capture": factories.announcement(b"").id, "action": "upload"}]}

    with pytest.raises(fields.Malformed, match="url: expected a text"):
        messages.Grant.loads(json.dumps(body).encode())


@pytest.mark.parametrize("files", [None, [], ["0" * 64] * 17, ["x"], "0" * 64])
def test_a_fetch_asks_for_one_to_sixteen_hashes(files: Any) -> None:
    with pytest.raises(fields.Malformed):
        messages.Fetch.loads(json.dumps({"files": files}).encode())


def test_two_spellings_of_a_label_are_one_prediction() -> None:
    told = [("rose ", 0.3), ("lily", 0.4), ("rose", 0.25), ("N/A", 0.05)]
    body = {
        **json.loads(factories.announcement(b"bytes").dumps()),
        "predictions": [{"label": label, "confidence": confidence} for label, confidence in told],
    }

    read = messages.Capture.loads(json.dumps(body).encode())

    assert [(each.label, each.confidence) for each in read.predictions] == [
        ("rose", 0.55),
        ("lily", 0.4),
        ("N/A", 0.05),
    ]


def test_the_counts_of_two_spellings_of_a_label_are_added() -> None:
    usage = {"model": "v1", "policy": 0, "predictions": {"caf\u00e9": [1] * 10, "cafe\u0301 ": [2] * 10}}
    body = json.loads(factories.state().dumps()) | {"usage": [usage]}

    (read,) = reports.State.loads(json.dumps(body).encode()).usage

    assert read.predictions == {"caf\u00e9": [3] * 10}


def test_a_confidence_that_float32_rounded_up_is_one() -> None:
    body = {
        **json.loads(factories.announcement(b"bytes").dumps()),
        "predictions": [{"label": "can", "confidence": 1.0000001}],
        "probability": 1.0000001192092896,
    }

    read = messages.Capture.loads(json.dumps(body).encode())

    assert (read.confidence, read.probability) == (1, 1)


def test_a_label_takes_the_bytes_of_its_utf8() -> None:
    label = "\u8d64" * 255

    sizes = [len(factories.state(usage=(factories.usage({each: [0] * 10}),)).dumps()) for each in ("x", label)]

    assert sizes[1] - sizes[0] == len(label.encode()) - 1


def test_half_a_surrogate_pair_is_written_as_a_question_mark() -> None:
    state = factories.state(errors=("cannot read caf\udce9.jpg",))

    assert reports.State.loads(state.dumps()).errors == ("cannot read caf?.jpg",)


def test_policy_without_the_later_fields_has_their_defaults() -> None:
    older = {"version": 1, "measure": "margin", "low": 0.6, "high": 0.9, "high_rate": 0.1, "audit_rate": 0.1}

    read = messages.Policy.read(older)

    assert (read.thresholds, read.reject_novel) == ({}, True)
    assert messages.Policy.read({**older, "thresholds": {"can": 0.5}, "reject_novel": False}).thresholds == {"can": 0.5}


@pytest.mark.parametrize("changes", [{"thresholds": {"can": 2}}, {"thresholds": 1}, {"reject_novel": "no"}])
def test_policy_with_later_fields_out_of_range_is_malformed(changes: dict[str, object]) -> None:
    older = {"version": 1, "measure": "margin", "low": 0.6, "high": 0.9, "high_rate": 0.1, "audit_rate": 0.1}

    with pytest.raises(fields.Malformed):
        messages.Policy.read({**older, **changes})
