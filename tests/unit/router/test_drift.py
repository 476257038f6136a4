"""Drift of predictions, against simulated hours."""

import numpy as np
import pytest

from router.quality import drift

CONFIDENCES = (0, 0, 0, 0.02, 0.03, 0.05, 0.05, 0.1, 0.15, 0.6)
MIX = (0.4, 0.3, 0.2, 0.1)


def hour(dice: np.random.Generator, images: int, mix: tuple[float, ...] = MIX, alike: float = 0) -> drift.Hour:
    """Draw an hour; `alike`: concentration of a mix that differs from hour to hour, 0 for none."""
    shares = dice.dirichlet(np.array(mix) * alike) if alike else mix
    counts = dice.multinomial(dice.poisson(images), shares)
    predictions = {f"label {k}": dice.multinomial(count, CONFIDENCES).tolist() for k, count in enumerate(counts)}
    return drift.Hour(predictions, int(dice.binomial(counts.sum(), 0.01)))


def reported(hours: list[drift.Hour]) -> int | None:
    """Return the first look that reports a drift."""
    looks = range(1, len(hours) - drift.REFERENCE - drift.WINDOW + 1)
    for look in looks:
        window = hours[drift.REFERENCE + look - 1 :][: drift.WINDOW]
        if any(each.drifted for each in drift.compare(hours[: drift.REFERENCE], window, look)):
            return look
    return None


@pytest.mark.parametrize(("images", "alike"), [(20, 0), (500, 0), (200, 20)])
def test_many_looks_at_hours_without_drift_report_none(
    images: int, alike: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "MATTERS", dict.fromkeys(drift.MATTERS, 0.0))  # significance alone
    dice = np.random.default_rng(images)
    false = [reported([hour(dice, images, alike=alike) for _ in range(100)]) for _ in range(8)]
    assert sum(look is not None for look in false) <= 1


def test_another_mix_of_labels_is_reported_within_a_day() -> None:
    dice = np.random.default_rng(1)
    before = [hour(dice, 200, alike=200) for _ in range(48)]
    after = [hour(dice, 200, (0.25, 0.3, 0.2, 0.25), 200) for _ in range(24)]
    look = reported([*before, *after])
    assert look
    assert 3 < look <= 24


def test_the_quantity_that_drifted_comes_first() -> None:
    dice = np.random.default_rng(2)
    before, after = ([hour(dice, 500) for _ in range(24)] for _ in range(2))
    novel = [drift.Hour(each.predictions, each.images // 10) for each in after]
    first = drift.compare(before, novel, 1)[0]
    assert (first.kind, first.drifted) == ("novelty", True)
    assert first.now == pytest.approx(0.1, abs=0.01)


def test_a_change_too_small_to_matter_is_not_reported() -> None:
    dice = np.random.default_rng(3)
    before = [hour(dice, 50_000) for _ in range(24)]
    after = [hour(dice, 50_000, (0.42, 0.28, 0.2, 0.1)) for _ in range(24)]
    found = drift.compare(before, after, 1)
    assert min(each.p for each in found) < 1e-6
    assert not any(each.drifted for each in found)


def test_too_few_hours_are_not_compared() -> None:
    dice = np.random.default_rng(4)
    assert drift.compare([hour(dice, 50)] * 5, [hour(dice, 50)] * 24, 1) == []


@pytest.mark.parametrize(("t", "freedom", "p"), [(2.228, 10, 0.05), (4.587, 10, 0.001), (2.021, 40, 0.05)])
def test_tails_of_student_agree_with_tables(t: float, freedom: float, p: float) -> None:
    assert drift.student_tail(t, freedom) == pytest.approx(p, rel=0.03)
