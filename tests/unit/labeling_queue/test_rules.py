import random
from datetime import UTC, datetime
from uuid import UUID

import pytest

from labeling_queue import rules
from strop import storage
from strop_contracts import errors, keys, states, tables
from strop_wire import fields
from tests import factories

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CAN = rules.Answer(states.AnswerKind.LABEL, "can")


def test_a_label_is_read_without_the_spaces_around_it() -> None:
    assert rules.read_answer("label", " soda can ") == rules.Answer(states.AnswerKind.LABEL, "soda can")


@pytest.mark.parametrize("answer", [each for each in states.AnswerKind if each != states.AnswerKind.LABEL])
def test_the_other_answers_go_without_a_label(answer: states.AnswerKind) -> None:
    assert rules.read_answer(answer, None) == rules.Answer(answer)

    with pytest.raises(fields.Malformed, match="goes without"):
        rules.read_answer(answer, "can")


@pytest.mark.parametrize("label", [None, "", "  ", "x" * 256, "tab\there", "\u202e"])
def test_a_text_that_cannot_be_a_label_is_refused(label: str | None) -> None:
    with pytest.raises(fields.Malformed, match="label"):
        rules.read_answer("label", label)


def test_an_answer_of_another_kind_is_refused() -> None:
    with pytest.raises(fields.Malformed, match="expected one of label, unclear, none, bad"):
        rules.read_answer("maybe", None)


def priority(seed: int, margin: float, *, audit: bool = False) -> float:
    return rules.priority(storage.digest(str(seed).encode()), margin, audit=audit)


def test_what_the_model_is_least_sure_of_comes_first_and_what_was_skipped_last() -> None:
    unsure, sure = priority(1, 0.05), priority(2, 1.0)

    assert unsure < sure < unsure + rules.SKIPPED


def test_about_one_audit_is_leased_for_every_two_others_throughout() -> None:
    dice = random.Random(0)
    others = [(priority(seed, dice.uniform(0, rules.UNSURE)), False) for seed in range(600)]
    audits = [(priority(seed, dice.random(), audit=True), True) for seed in range(300)]

    order = [audit for _, audit in sorted(others + audits)]

    found = [sum(order[start : start + 90]) for start in range(0, 900, 90)]
    assert all(20 <= count <= 40 for count in found), found


def test_the_place_of_an_audit_does_not_tell_how_sure_the_model_was() -> None:
    assert priority(1, 0.01, audit=True) == priority(1, 0.99, audit=True)
    assert priority(1, 0.5, audit=True) != priority(2, 0.5, audit=True)


@pytest.mark.parametrize("answer", states.AnswerKind)
def test_only_an_unclear_answer_leaves_the_truth_open(answer: states.AnswerKind) -> None:
    assert rules.settles(rules.Answer(answer)) is (answer != states.AnswerKind.UNCLEAR)


@pytest.mark.parametrize("holder", [None, "ada"])
def test_an_open_task_may_be_answered_by_its_holder_or_if_it_has_none(holder: str | None) -> None:
    rules.check_turn("ada", [], holder, is_open=True)


@pytest.mark.parametrize(
    ("standing", "holder", "reason"),
    [
        (None, "bob", "ran out and somebody else has it"),
        (rules.Given("bob", CAN, NOW), None, "Somebody else answered"),
        (rules.Given("ada", CAN, NOW), None, "take that answer back first"),
    ],
)
def test_a_task_that_is_not_yours_any_more_is_refused_with_the_reason(
    standing: rules.Given | None, holder: str | None, reason: str
) -> None:
    with pytest.raises(errors.Refused, match=reason):
        rules.check_turn("ada", [standing] if standing else [], holder, is_open=standing is None)


def test_a_copy_lies_in_the_folder_of_its_label_or_among_the_raw_ones_of_its_device() -> None:
    capture = factories.capture(b"", content_type="image/png")
    name = keys.file_name(capture)

    assert rules.copy_key(capture, "can") == f"bottles/labeled_field_data/can/{name}"
    assert rules.copy_key(capture, "N/A") == f"bottles/labeled_field_data/N%2FA/{name}"
    assert rules.copy_key(capture, None) == f"bottles/raw_field_data/line-1/{name}"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("water_bottles", "water bottle"),
        ("Water Bottle", "water bottle"),
        ("cafe", "caf\u00e9"),
        ("CAN", "can"),
        ("tulip", None),
        ("\u6c34", None),
    ],
)
def test_the_nearest_label_is_the_one_spelled_most_alike(name: str, expected: str | None) -> None:
    assert rules.nearest(name, ["can", "caf\u00e9", "milk bottle", "water bottle"]) == expected


SHARES = {"can": [0.5] * 5 + [0.2] * 5}


def captured(number: int, confidence: float, *, audit: bool = True, label: str = "can") -> tables.Capture:
    return tables.Capture(id=UUID(int=number), label=label, confidence=confidence, audit=audit)


def test_audits_are_sent_with_the_probability_of_their_stratum() -> None:
    unsure = [rules.draw(captured(k, 0.55), SHARES) for k in range(2000)]
    sure = [rules.draw(captured(k, 0.999), SHARES) for k in range(2000)]

    assert {each.probability for each in unsure} == {0.5, 0.0}
    assert {each.probability for each in sure} == {0.2, 0.0}
    assert sum(each.probability > 0 for each in unsure) == pytest.approx(1000, abs=100)
    assert sum(each.probability > 0 for each in sure) == pytest.approx(400, abs=80)


@pytest.mark.parametrize("capture", [captured(k, c) for k, c in enumerate((0.2, 0.55, 0.999) * 30)])
def test_audits_that_are_not_extra_are_an_even_sample(capture: tables.Capture) -> None:
    drawn = rules.draw(capture, SHARES)
    even = rules.draw(captured(capture.id.int, 0.999), SHARES)

    assert (not drawn.extra) == (not even.extra)
    assert drawn.extra or drawn.probability


def test_a_repeat_is_drawn_alike() -> None:
    assert rules.draw(captured(7, 0.55), SHARES) == rules.draw(captured(7, 0.55), SHARES)


def test_without_a_plan_and_for_other_captures_all_are_sent() -> None:
    assert {rules.draw(captured(k, 0.55), {}) for k in range(50)} == {rules.SENT}
    assert {rules.draw(captured(k, 0.55, audit=False), SHARES) for k in range(50)} == {rules.SENT}
    assert {rules.draw(captured(k, 0.55, label="jar"), SHARES).probability for k in range(50)} == {1.0}
