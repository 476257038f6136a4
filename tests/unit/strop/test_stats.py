import pytest

from strop import stats


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [  # from the formula in Wilson (1927), by hand
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),  # the worked example of Newcombe (1998)
    ],
)
def test_the_interval_is_wilsons(hits: int, total: int, low: float, high: float) -> None:
    share = stats.wilson(hits, total)

    assert share
    assert share.value == hits / total
    assert (share.low, share.high) == pytest.approx((low, high), abs=5e-5)


def test_nothing_counted_has_no_share() -> None:
    assert stats.wilson(0, 0) is None
    assert stats.f1(0, 0, 0) is None


def test_f1_lies_in_its_interval_and_agrees_with_precision_and_recall() -> None:
    hits, false_alarms, missed = 30, 10, 20
    precision, recall = hits / (hits + false_alarms), hits / (hits + missed)

    share = stats.f1(hits, false_alarms, missed)

    assert share
    assert share.value == pytest.approx(2 * precision * recall / (precision + recall))
    assert share.low < share.value < share.high


@pytest.mark.parametrize(
    ("losses", "gains", "p"),
    [(0, 0, 1.0), (0, 5, 1.0), (5, 0, 1 / 32), (4, 1, 6 / 32), (1, 1, 0.75)],
)
def test_the_sign_test_is_exact(losses: int, gains: int, p: float) -> None:
    assert stats.sign_test(losses, gains) == pytest.approx(p)


def test_the_sign_test_holds_thousands_of_pairs() -> None:
    assert stats.sign_test(2500, 2500) == pytest.approx(0.5056, abs=1e-3)


def test_holm_stops_at_the_first_that_is_not_rejected() -> None:
    # 0.01 <= 0.05 / 4; then 0.02 > 0.05 / 3, so 0.021, though under 0.05 / 2, stays too
    assert stats.holm({"a": 0.02, "b": 0.01, "c": 0.021, "d": 0.9}, 0.05) == ["b"]


def test_holm_rejects_all_that_are_far_beyond_chance() -> None:
    assert stats.holm({"a": 0.001, "b": 0.002}, 0.05) == ["a", "b"]


def test_the_images_that_a_gain_needs() -> None:
    # Connor (1987): (1.2816 sqrt(0.15) + 0.8416 sqrt(0.15 - 0.0036))^2 / 0.0036 = 186.04
    assert stats.images_needed(0.06, 0.15, 0.1, 0.8) == 187


def test_the_smallest_gain_that_images_can_detect() -> None:
    assert stats.detectable(187, 0.15, 0.1, 0.8) == pytest.approx(0.06)
    assert stats.detectable(1, 0.5, 0.1, 0.8) is None
