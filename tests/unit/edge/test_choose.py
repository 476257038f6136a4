import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strop_edge import choose
from strop_wire import messages

NEVER = 0.999999  # a draw that no rate below 1 reaches


def ranked(best: float, second: float = 0.0) -> tuple[messages.Prediction, ...]:
    return messages.Prediction("a", best), messages.Prediction("b", second)


def policy(**changes: object) -> messages.Policy:
    return messages.Policy(**{"measure": "confidence", **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(("confidence", "reason"), [(0.59, "low"), (0.6, ""), (0.75, ""), (0.9, ""), (0.91, "high")])
def test_below_low_and_above_high_are_kept_and_the_bounds_themselves_are_not(confidence: float, reason: str) -> None:
    choice = choose.choose(ranked(confidence), policy(), audit_draw=NEVER, high_draw=0.0)

    assert (choice.keep, choice.reason) == (bool(reason), reason)


def test_the_margin_is_the_distance_to_the_second_best() -> None:
    sure_but_close, second = 0.7, 0.29

    by_margin = choose.choose(ranked(sure_but_close, second), policy(measure="margin"), NEVER, NEVER)
    by_confidence = choose.choose(ranked(sure_but_close, second), policy(), NEVER, NEVER)

    assert by_margin.reason == "low"
    assert not by_confidence.keep


def test_a_single_label_has_its_confidence_as_margin() -> None:
    assert choose.measure(ranked(0.8)[:1], policy(measure="margin")) == 0.8


def test_the_audit_is_drawn_whatever_the_confidence() -> None:
    for confidence, reason in ((0.1, "low"), (0.75, "audit"), (0.99, "audit")):
        choice = choose.choose(ranked(confidence), policy(), audit_draw=0.049, high_draw=NEVER)
        assert (choice.keep, choice.audit, choice.reason) == (True, True, reason)


def test_a_draw_at_the_rate_is_no_audit() -> None:
    assert not choose.choose(ranked(0.75), policy(), audit_draw=0.05, high_draw=NEVER).keep


def test_a_high_one_that_was_drawn_twice_is_high_and_audit() -> None:
    choice = choose.choose(ranked(0.95), policy(), audit_draw=0.0, high_draw=0.0)

    assert (choice.reason, choice.audit) == ("high", True)


@pytest.mark.parametrize(("audit_rate", "high_rate"), [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)])
def test_rates_of_none_and_all_are_kept_exactly(audit_rate: float, high_rate: float) -> None:
    choice = choose.choose(ranked(0.95), policy(audit_rate=audit_rate, high_rate=high_rate), 0.0, 0.0)

    assert choice.keep == bool(audit_rate or high_rate)
    assert choice.probability == float(bool(audit_rate or high_rate))


unit = st.floats(0, 1)
draw = st.floats(0, 1, exclude_max=True)


@settings(deadline=None)
@given(unit, unit, unit, unit, draw, draw)
def test_what_is_kept_has_a_reason_and_a_chance(
    confidence: float, audit_rate: float, high_rate: float, low: float, audit_draw: float, high_draw: float
) -> None:
    rules = policy(audit_rate=audit_rate, high_rate=high_rate, low=low, high=max(low, 0.9))

    choice = choose.choose(ranked(confidence), rules, audit_draw, high_draw)

    assert choice.keep == bool(choice.reason)
    assert choice.keep or not choice.audit
    assert 0 <= choice.probability <= 1
    assert choice.probability > 0 or not choice.keep
    assert choice.audit == (audit_draw < audit_rate)


@pytest.mark.parametrize("confidence", [0.3, 0.75, 0.97])
def test_the_inclusion_probability_is_the_share_that_is_kept(confidence: float) -> None:
    rules = policy(audit_rate=0.1, high_rate=0.2)
    chance = random.Random(5)
    draws = 20_000

    choices = [choose.choose(ranked(confidence), rules, chance.random(), chance.random()) for _ in range(draws)]

    # Four standard errors of a share of 0.28 in 20,000 draws.
    assert sum(choice.keep for choice in choices) / draws == pytest.approx(choices[0].probability, abs=0.013)


def test_an_answer_needs_the_threshold_of_its_label() -> None:
    best = messages.Prediction("a", 0.7)

    assert choose.answer(best, {}, policy()) == "a"
    assert choose.answer(best, {"a": 0.7, "b": 0.9}, policy()) == "a"
    assert choose.answer(best, {"a": 0.71}, policy()) == ""


def test_thresholds_of_the_policy_replace_those_of_the_model() -> None:
    best = messages.Prediction("a", 0.7)

    assert choose.answer(best, {"a": 0.9}, policy(thresholds={"a": 0.6})) == "a"
    assert choose.answer(best, {}, policy(thresholds={"a": 0.71})) == ""
    assert choose.answer(best, {"a": 0.9}, policy(thresholds={"b": 0.6})) == ""
