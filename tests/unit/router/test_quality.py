"""Estimates of live accuracy: by hand on small cases, and against simulated truth."""

import numpy as np
import pytest

from router.quality import estimate, intervals, sample, solver
from strop_contracts import strata
from tests import audited_fleets as fleets

BINS = [0, 0, 0, 0, 0, 100, 100, 100, 200, 500]


def audits(confidence: float, right: int, wrong: int, second: float = 1.0) -> list[sample.Audit]:
    return [
        sample.Audit("can", confidence, 20.0, "can" if k < right else "jar", second=second)
        for k in range(right + wrong)
    ]


def test_an_interval_of_a_simple_sample_is_that_of_wilson() -> None:
    found = intervals.score(0.9, 100, 1e9, 0.95)
    assert [found.low, found.high] == pytest.approx([0.8256, 0.9448], abs=1e-4)


@pytest.mark.parametrize(("freedom", "quantile"), [(3, 3.182), (10, 2.228), (100, 1.984)])
def test_the_quantile_of_student_agrees_with_tables(freedom: float, quantile: float) -> None:
    assert intervals.student(0.975, freedom) == pytest.approx(quantile, abs=0.05)


def test_every_confidence_lies_in_the_stratum_of_its_bin() -> None:
    assert [strata.of(c) for c in (0.0, 0.29, 0.3, 0.55, 0.8, 0.9, 0.98, 0.995, 1.0)] == [0, 0, 1, 2, 5, 6, 7, 8, 9]
    made = sample.stratify(BINS, [])
    assert sum(each.size for each in made) == sum(BINS)


def test_the_last_bin_is_divided_as_its_audits_are() -> None:
    made = sample.stratify(BINS, [*audits(0.95, 3, 0), *audits(0.999, 1, 0)])
    assert [each.size for each in made[6:]] == [375, 0, 0, 125]


def test_strata_count_by_their_size_not_by_their_labels() -> None:
    low, high = audits(0.55, 20, 20), audits(0.95, 10, 0)
    found = estimate.accuracy(sample.stratify([0] * 5 + [100] + [0] * 3 + [900], [*low, *high]))
    assert found
    assert found.value == pytest.approx(0.1 * 0.5 + 0.9 * 1.0)
    assert found.low < found.value <= found.high


def test_labels_with_a_small_probability_count_for_more() -> None:
    rare, common = audits(0.95, 10, 0, second=0.1), audits(0.95, 0, 10, second=1.0)
    found = estimate.accuracy(sample.stratify([0] * 9 + [1000], [*rare, *common]))
    assert found
    assert found.value == pytest.approx(100 / 110)
    assert found.labelled == pytest.approx(110**2 / (10 * 100 + 10))


def test_nothing_is_estimated_without_labels_or_images() -> None:
    assert estimate.accuracy(sample.stratify(BINS, [])) is None
    assert estimate.accuracy(sample.stratify([0] * 10, audits(0.95, 3, 1))) is None
    assert estimate.recall(sample.stratify(BINS, []), sample.stratify(BINS, [])) is None


def test_recall_counts_the_images_that_other_predictions_hide() -> None:
    own = sample.stratify([0] * 9 + [900], audits(0.95, 20, 0))
    others = sample.stratify([0] * 9 + [1000], [])
    for stratum in others[6:7]:
        stratum.size, stratum.weight, stratum.squares, stratum.hits = 1000, 20, 20, 2
    for stratum in others[7:]:
        stratum.size = 0
    found = estimate.recall(own, others)
    assert found
    assert found.value == pytest.approx(900 / 1000)
    assert 0.7 < found.low < 0.9 < found.high < 0.99


@pytest.mark.parametrize("fleet", fleets.FLEETS, ids=lambda fleet: fleet.name)
def test_intervals_cover_the_truth_and_are_narrower_than_plain_audits(fleet: fleets.Fleet) -> None:
    """A small run of `benchmarks/quality.py`: three standard deviations of it are allowed."""
    _, covered, width = fleets.simulate(fleet, 60, 300)
    assert covered[0] >= 0.95 - 3 * (0.05 * 0.95 / 60) ** 0.5
    assert min(covered[2:]) >= 0.85
    assert width[0] <= 1.0 * width[1]


def cells(images: float) -> list[solver.Cell]:
    spreads = (0.5, 0.5, 0.5, 0.5, 0.45, 0.4, 0.25, 0.15, 0.1, 0.05)
    shares = (0.01, 0.02, 0.03, 0.04, 0.05, 0.05, 0.1, 0.2, 0.2, 0.3)
    return [solver.Cell(images * share, spread) for share, spread in zip(shares, spreads, strict=True)]


def test_labels_go_where_images_and_errors_are() -> None:
    given = solver.allocate([solver.Cell(100, 0.5), solver.Cell(100, 0.1)], 60, [100, 100])
    assert sum(given) == pytest.approx(60)
    assert given[0] > 2 * given[1] > 0


def test_what_a_stratum_cannot_take_goes_to_the_others() -> None:
    assert solver.allocate([solver.Cell(100, 0.5), solver.Cell(100, 0.5)], 60, [10, 100]) == pytest.approx([10, 50])
    assert sum(solver.allocate([solver.Cell(100, 0.5)], 60, [10])) == pytest.approx(10)


def test_a_plan_meets_the_wish_with_few_labels() -> None:
    plan = solver.solve({"can": cells(60_000), "jar": cells(20_000)}, solver.Wish(0.02), 0.9)
    assert plan.met
    assert plan.half == pytest.approx(0.02, abs=0.0005)
    plain = (1.96 / 0.02) ** 2 * 0.07  # the variance at an accuracy of 92 %
    assert plan.labels < 0.75 * plain
    assert plan.audit_rate < 0.05
    assert all(0 < share <= 1 for row in plan.second.values() for share in row)


def test_a_plan_says_what_can_be_met_when_the_wish_cannot() -> None:
    few = solver.solve({"can": cells(200)}, solver.Wish(0.02), 0.9)
    assert not few.met
    assert few.audit_rate == solver.MOST_RATE
    assert "cannot be met: the images seen, with audit_rate 0.25 give ±" in few.reason
    capped = solver.solve({"can": cells(60_000)}, solver.Wish(0.01, most_labels=100), 0.9)
    assert not capped.met
    assert "cannot be met: 100 labels give ±" in capped.reason
    assert capped.labels == pytest.approx(100, rel=0.02)


def test_a_wish_for_each_label_raises_the_labels_of_rare_ones() -> None:
    seen = {"can": cells(60_000), "jar": cells(6_000)}
    plain = solver.solve(seen, solver.Wish(0.03), 1.0)
    wished = solver.solve(seen, solver.Wish(0.03, label_half=0.05), 1.0)
    assert plain.label_half["jar"] > 0.05
    assert wished.label_half["jar"] == pytest.approx(0.05, abs=0.003)


def test_the_interval_that_a_plan_promises_is_the_one_that_results() -> None:
    fleet = fleets.FLEETS[0]
    _, _, width = fleets.simulate(fleet, 40, 400)
    spreads = np.sqrt(np.maximum(fleet.right(fleets.POINTS) * (1 - fleet.right(fleets.POINTS)), 0))
    share = fleets.shares(fleets.MIX).sum(0)
    by_stratum = [
        solver.Cell(
            60_000 * share[inside].sum(), float((spreads * share)[inside].sum() / max(share[inside].sum(), 1e-9))
        )
        for inside in (k == fleets.STRATUM for k in range(strata.COUNT))
    ]
    given = solver.allocate(by_stratum, 400, [each.images * 0.05 for each in by_stratum])
    assert width[0] / 2 == pytest.approx(solver.half_width(by_stratum, given, 0.95), rel=0.12)
