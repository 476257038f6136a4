"""What ingest decides about the messages of devices."""

import base64
import json
from uuid import UUID

import pytest

from ingest import rules
from strop_contracts import errors, tables
from strop_wire import MAX_PAYLOAD, ids, messages, reports, topics
from tests import factories

TOPIC = topics.topic("bottles", "line-1", "capture")


def read(message: messages.Message, project: str = "bottles", device: str = "line-1") -> rules.DeviceMessage:
    kind = type(message).__name__.lower()
    found = rules.read(topics.topic(project, device, kind), message.dumps())
    assert isinstance(found, rules.DeviceMessage)
    return found


def test_a_message_is_read_with_its_sender() -> None:
    said = factories.announcement(b"bytes")

    found = read(said)

    assert found.device == ("bottles", "line-1")
    assert found.content == said


@pytest.mark.parametrize("kind", topics.DOWN)
def test_a_topic_on_which_devices_do_not_publish_is_refused(kind: str) -> None:
    refusal = rules.read(topics.topic("bottles", "line-1", kind), b"{}")

    assert isinstance(refusal, rules.Refusal)
    assert "not a topic on which devices publish" in refusal.reason


@pytest.mark.parametrize("topic", ["strop/a/b/c/capture", "strop/bott les/line-1/capture", "/strop/a/b/capture", ""])
def test_a_foreign_topic_is_refused_by_name(topic: str) -> None:
    refusal = rules.read(topic, b"{}")

    assert isinstance(refusal, rules.Refusal)
    assert repr(topic) in refusal.reason


def test_a_malformed_message_is_refused_with_the_field_that_is_wrong() -> None:
    payload = json.loads(factories.announcement(b"bytes").dumps()) | {"size": -1}

    refusal = rules.read(TOPIC, json.dumps(payload).encode())

    assert isinstance(refusal, rules.Refusal)
    assert refusal.kind == "malformed"
    assert "size: expected a whole number" in refusal.reason
    assert json.loads(refusal.letter)["topic"] == TOPIC
    assert json.loads(json.loads(refusal.letter)["payload"]) == payload


def test_an_answer_to_no_deployment_of_ours_is_refused() -> None:
    state = factories.state(answer=reports.Outcome("the blue one", "installed"))

    refusal = rules.read(topics.topic("bottles", "line-1", "state"), state.dumps())

    assert isinstance(refusal, rules.Refusal)
    assert "deployment: expected a UUID" in refusal.reason


def test_a_reason_stays_short_whatever_a_device_sends() -> None:
    refusal = rules.read("x" * 60_000, b'{"v": "' + b"y" * 100_000 + b'"}')

    assert isinstance(refusal, rules.Refusal)
    assert len(refusal.reason) <= 1000


def test_a_letter_of_bytes_keeps_them() -> None:
    letter = json.loads(rules.letter(TOPIC, b"\xff\x00"))

    assert base64.b64decode(letter["base64"]) == b"\xff\x00"


@pytest.mark.parametrize("payload", [b"\x01" * MAX_PAYLOAD, b"\xff" * 10_000_000, b"a" * 10_000_000])
def test_a_letter_fits_into_a_queue(payload: bytes) -> None:
    assert len(rules.letter("t" * 65_000, payload)) <= rules.MAX_LETTER


def test_a_repeat_is_no_different_even_if_it_was_seen_more_often() -> None:
    said = factories.announcement(b"bytes")
    known = tables.Capture(**rules.capture_row(read(said)))
    again = read(factories.announcement(b"bytes", id=said.id, captured_at=said.captured_at, seen=7))

    assert rules.difference(rules.capture_row(again), known) is None


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"sha256": "0" * 64}, "sha256"),
        ({"size": 1}, "size"),
        ({"model": "v2"}, "model"),
        ({"audit": True}, "audit"),
        ({"predictions": (messages.Prediction("mug", 0.55),)}, "predictions"),
    ],
)
def test_another_content_under_the_same_id_is_named(change: dict[str, object], name: str) -> None:
    said = factories.announcement(b"bytes")
    known = tables.Capture(**rules.capture_row(read(said)))
    other = read(factories.announcement(b"bytes", id=said.id, captured_at=said.captured_at, **change))

    assert rules.difference(rules.capture_row(other), known) == name


def test_the_same_id_from_another_device_is_a_difference() -> None:
    said = factories.announcement(b"bytes")
    known = tables.Capture(**rules.capture_row(read(said)))

    assert rules.difference(rules.capture_row(read(said, device="line-2")), known) == "device"


def test_the_newest_state_of_each_boot_counts_whatever_the_order() -> None:
    first, second = factories.state(sequence=3), factories.state(sequence=1)
    late = factories.state(boot=first.boot, sequence=2)

    newest = rules.newest([read(first), read(second), read(late)])

    assert newest == {
        ("bottles", "line-1", UUID(first.boot)): first,
        ("bottles", "line-1", UUID(second.boot)): second,
    }


def test_a_repeated_state_makes_the_same_event() -> None:
    answer = reports.Outcome(ids.new_id(), "failed", "disk full")
    state = factories.state(answer=answer)

    once, twice = (rules.reported(("bottles", "line-1"), state) for _ in range(2))

    assert once.id == twice.id
    assert (once.outcome, once.reason, str(once.deployment_id)) == ("failed", "disk full", answer.deployment)


def test_each_state_makes_an_event_of_its_own() -> None:
    state = factories.state()
    later = factories.state(boot=state.boot, sequence=state.sequence + 1)

    events = [
        rules.reported(("bottles", "line-1"), state),
        rules.reported(("bottles", "line-2"), state),
        rules.reported(("bottles", "line-1"), later),
    ]

    assert len({event.id for event in events}) == 3


def test_many_answers_are_cut_into_messages_the_wire_takes() -> None:
    grants = [
        messages.CaptureGrant(ids.new_id(), "upload", "https://bucket/" + "x" * 2000, {"content-type": "image/png"})
        for _ in range(200)
    ]

    packed = list(rules.pack(grants))

    assert [grant for group in packed for grant in group] == grants
    assert all(messages.Grant.loads(messages.Grant(captures=group).dumps()) for group in packed)
    assert len(packed) == 5


def test_no_answers_make_no_message() -> None:
    assert list(rules.pack([])) == []


@pytest.mark.parametrize("payload", [b'{"id": 1}', "Flasche ü".encode(), b"\xff\xfe no text", b""])
def test_a_letter_reads_back_as_the_message_it_was(payload: bytes) -> None:
    event = rules.read_letter(json.loads(rules.letter("strop/bottles/line-1/capture", payload)))

    assert (event.project, event.topic, event.payload) == ("bottles", "strop/bottles/line-1/capture", payload)


@pytest.mark.parametrize("letter", [{"topic": "t"}, {"topic": "t", "payload": 1}, {"topic": "t", "base64": "ü"}])
def test_what_is_no_letter_is_invalid(letter: dict[str, object]) -> None:
    with pytest.raises(errors.InvalidMessage, match="not a dead letter"):
        rules.read_letter(letter)


def test_a_file_as_announced_has_no_mismatch() -> None:
    assert rules.mismatch(10, "aa", 10, "aa") is None


@pytest.mark.parametrize(
    ("size", "sha256", "expected"),
    [(11, "aa", "longer than"), (9, "aa", "9 bytes instead of"), (0, "aa", "0 bytes instead"), (10, "bb", "sha256 bb")],
)
def test_a_mismatch_names_what_differs(size: int, sha256: str, expected: str) -> None:
    assert expected in (rules.mismatch(10, "aa", size, sha256) or "")
