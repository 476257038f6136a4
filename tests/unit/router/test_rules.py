"""What the router decides for a capture."""

from collections import Counter
from dataclasses import replace

import pytest

from router import rules
from strop_contracts import errors
from strop_wire import messages

POLICY = rules.Policy(low=0.6, high=0.9, device_per_hour=10, fleet_per_hour=100)
IDLE = rules.Fleet(duplicate=False, device=0, total=0)
CAPTURE = rules.Captured("low", audit=False, audit_probability=0.05, probability=1.0, margin=0.1, confidence=0.5)
HIGH = replace(CAPTURE, reason="high", probability=0.069, margin=0.95, confidence=0.97)
BETWEEN = replace(CAPTURE, reason="audit", audit=True, probability=0.05, margin=0.7, confidence=0.8)


def test_an_uncertain_capture_is_wanted() -> None:
    assert rules.decide(CAPTURE, POLICY, IDLE) == rules.Decision(True, "low", 1.0)


def test_a_very_confident_capture_is_wanted_with_the_devices_probability() -> None:
    assert rules.decide(HIGH, POLICY, IDLE) == rules.Decision(True, "high", 0.069)


@pytest.mark.parametrize("value", [0.6, 0.75, 0.9])
def test_a_capture_between_the_bounds_is_not_wanted(value: float) -> None:
    """The device applied an older policy."""
    capture = replace(CAPTURE, margin=value)

    assert rules.decide(capture, POLICY, IDLE) == rules.Decision(False, "between", 0.05)


@pytest.mark.parametrize(("measure", "reason"), [("margin", "low"), ("confidence", "high")])
def test_the_policy_says_what_is_measured(measure: str, reason: str) -> None:
    capture = replace(CAPTURE, margin=0.5, confidence=0.95)
    policy = rules.changed(POLICY, {"measure": measure})

    assert rules.decide(capture, policy, IDLE).reason == reason


@pytest.mark.parametrize("reason", ["novel", "request"])
def test_what_a_device_found_novel_or_was_asked_for_is_wanted_whatever_the_confidence(reason: str) -> None:
    capture = replace(BETWEEN, reason=reason, audit=False, probability=0.3)

    assert rules.decide(capture, POLICY, IDLE) == rules.Decision(True, reason, 0.3)


@pytest.mark.parametrize(
    ("fleet", "reason"),
    [
        (replace(IDLE, duplicate=True), "duplicate"),
        (replace(IDLE, device=10), "device-budget"),
        (replace(IDLE, total=100), "fleet-budget"),
        (rules.Fleet(duplicate=True, device=10, total=100), "duplicate"),
        (replace(IDLE, device=10, total=100), "device-budget"),
    ],
)
def test_what_cannot_be_wanted_twice_or_paid_for_is_declined(fleet: rules.Fleet, reason: str) -> None:
    """Such an image still comes in when it is drawn for the audit, hence the probability."""
    assert rules.decide(CAPTURE, POLICY, fleet) == rules.Decision(False, reason, 0.05)


@pytest.mark.parametrize("fleet", [replace(IDLE, device=9), replace(IDLE, total=99)])
def test_the_last_of_a_budget_can_be_used(fleet: rules.Fleet) -> None:
    assert rules.decide(CAPTURE, POLICY, fleet).upload


@pytest.mark.parametrize(
    "fleet", [IDLE, replace(IDLE, duplicate=True), replace(IDLE, device=10), replace(IDLE, total=100)]
)
def test_an_audit_is_wanted_whatever_else_is_true(fleet: rules.Fleet) -> None:
    assert rules.decide(BETWEEN, POLICY, fleet) == rules.Decision(True, "audit", 0.05)


def test_an_audit_that_the_rules_want_as_well_was_as_probable_as_they_make_it() -> None:
    uncertain = replace(CAPTURE, audit=True)

    assert rules.decide(uncertain, POLICY, IDLE) == rules.Decision(True, "audit", 1.0)
    assert rules.decide(uncertain, POLICY, replace(IDLE, device=10)) == rules.Decision(True, "audit", 0.05)


def test_a_device_that_calls_it_an_audit_without_having_drawn_one_is_judged_like_any_other() -> None:
    capture = replace(BETWEEN, audit=False)

    assert rules.decide(capture, POLICY, IDLE).reason == "between"


def test_what_was_decided_counts_for_the_next_decision() -> None:
    lately = rules.Lately({"old"}, Counter({"line-1": 3}), 7)

    lately.count("line-1", "new", rules.Decision(True, "low", 1.0))

    assert lately.fleet("line-1", "new") == rules.Fleet(duplicate=True, device=4, total=8)
    assert lately.fleet("line-2", "other") == rules.Fleet(duplicate=False, device=0, total=8)
    assert lately.fleet("line-2", "old").duplicate


def test_what_was_declined_counts_for_nothing() -> None:
    lately = rules.Lately(set(), Counter(), 0)

    lately.count("line-1", "new", rules.Decision(False, "between", 0.05))

    assert lately.fleet("line-1", "new") == IDLE


def test_the_image_of_an_audit_is_here_but_uses_no_budget() -> None:
    lately = rules.Lately(set(), Counter(), 0)

    lately.count("line-1", "new", rules.Decision(True, "audit", 0.05))

    assert lately.fleet("line-1", "new") == replace(IDLE, duplicate=True)


def test_the_defaults_are_those_of_a_device_without_a_policy() -> None:
    device = messages.Policy()
    policy = rules.Policy()

    names = ("measure", "low", "high", "high_rate", "audit_rate")
    assert [getattr(policy, name) for name in names] == [getattr(device, name) for name in names]


def test_a_device_can_read_its_part_of_a_policy() -> None:
    read = messages.Policy.read({**POLICY.model_dump(), "version": 3})

    assert (read.version, read.low, read.high) == (3, 0.6, 0.9)


def test_every_value_of_a_policy_is_described() -> None:
    assert all(field.description for field in rules.Policy.model_fields.values())


def test_changing_one_value_keeps_the_others() -> None:
    assert rules.changed(POLICY, {"low": 0.5}) == POLICY.model_copy(update={"low": 0.5})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lo": 0.5}, "a policy has no lo; it has measure, low"),
        ({"low": 1.5}, "low: Input should be less than or equal to 1"),
        ({"low": "x"}, "low: "),
        ({"measure": "mood"}, "measure: "),
        ({"low": 0.95}, "low 0.95 is above high 0.9"),
        ({"device_per_hour": -1}, "device_per_hour: "),
        ({"high": float("nan")}, "high: "),
    ],
)
def test_a_wrong_value_is_refused_by_name(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(errors.Refused, match=reason):
        rules.changed(POLICY, changes)


def test_a_policy_of_a_newer_version_of_strop_can_be_read() -> None:
    assert rules.Policy.model_validate({**POLICY.model_dump(), "per_label_per_hour": 5}) == POLICY


@pytest.mark.parametrize(
    ("text", "found"),
    [("can=0.7, glass jar=0.5", {"can": 0.7, "glass jar": 0.5}), ('{"a,b": 0.7}', {"a,b": 0.7}), ("", {})],
)
def test_thresholds_are_read_as_the_command_sends_them(text: str, found: dict[str, float]) -> None:
    assert rules.changed(rules.Policy(thresholds={"jar": 0.1}), {"thresholds": text}).thresholds == found


@pytest.mark.parametrize("text", ["can", "can=2", "can=high", "{"])
def test_thresholds_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(errors.Refused, match="thresholds"):
        rules.changed(rules.Policy(), {"thresholds": text})
