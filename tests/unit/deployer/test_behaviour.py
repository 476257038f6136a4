"""A bad model is stopped by the counts of its first devices, a good one is not, and missing data stop nothing."""

import math

import pytest

from deployer.behaviour import audits, checks, contrast, counts, measures
from tests.unit.deployer.drawn import (
    GOOD,
    LABELS,
    OLD,
    OVERCONFIDENT,
    Fleet,
    Model,
    breaches,
    rollout,
    stopped,
)

EVALUATED = checks.Evaluated(images=100, new_right=92, old_right=90)


class TestRollouts:
    def test_in_twenty_rollouts_of_a_good_model_there_is_no_false_stop(self) -> None:
        looks = (rollout(Fleet(60, seed), GOOD, 3, looks=4, images=20, evaluated=EVALUATED) for seed in range(20))

        assert [stopped(each) for each in looks] == [None] * 20

    @pytest.mark.parametrize(
        ("model", "check"),
        [
            (Model(always="can"), "labels"),
            (OVERCONFIDENT, "doubt"),
            (Model(milliseconds=400), "slower"),
            (Model(failed=0.2), "failed"),
            (Model(novel=0.3), "novel"),
            (Model(certainty=0.6), "low"),
        ],
    )
    def test_a_bad_model_is_stopped_by_its_first_ten_devices(self, model: Model, check: str) -> None:
        found = [stopped(rollout(Fleet(100, seed), model, 10, looks=3, evaluated=EVALUATED)) for seed in range(3)]

        assert all(each and check in each[1] for each in found)

    def test_a_slow_model_is_stopped_in_a_fleet_of_two(self) -> None:
        assert stopped(rollout(Fleet(2, 1), Model(milliseconds=400), 1, looks=3)) is not None

    def test_a_change_of_the_whole_fleet_is_no_harm_of_the_new_model(self) -> None:
        fleet = Fleet(40, 5)
        dark = Model(certainty=0.6, milliseconds=80, novel=0.3)
        devices = [counts.Device(fleet.period(n, OLD, 300), fleet.period(n, dark, 300)) for n in range(40)]
        sample = checks.Sample("v2", "v1", devices[:4], devices[4:], LABELS)

        assert breaches(checks.judge(sample, checks.Limits(), 1)) == set()


class TestMissingData:
    def judge(self, new: list[counts.Device], old: list[counts.Device]) -> list[checks.Check]:
        return checks.judge(checks.Sample("v2", "v1", new, old, LABELS), checks.Limits(), 1)

    def test_without_devices_on_one_of_the_models_every_check_waits(self) -> None:
        some = [counts.Device(*(Fleet(1, 1).period(0, Model(always=always), 200) for always in ("can", "cup")))] * 9

        for new, old in (([], []), (some, []), ([], some)):
            assert {each.verdict for each in self.judge(new, old)} == {"wait"}

    def test_devices_without_a_past_on_the_old_model_are_not_compared(self) -> None:
        fleet = Fleet(9, 1)
        new = [counts.Device(counts.Counts(), fleet.period(n, Model(always="can"), 200)) for n in range(3)]
        old = [counts.Device(fleet.period(n, OLD, 200), fleet.period(n, OLD, 200)) for n in range(3, 9)]

        assert {each.verdict for each in self.judge(new, old)} == {"wait"}

    def test_too_few_predictions_of_the_new_model_are_not_judged(self) -> None:
        fleet = Fleet(9, 1)
        new = [counts.Device(fleet.period(0, OLD, 200), fleet.period(0, Model(always="can"), 29))]
        old = [counts.Device(fleet.period(n, OLD, 200), fleet.period(n, OLD, 200)) for n in range(1, 9)]

        assert {each.verdict for each in self.judge(new, old)} == {"wait"}


class TestAudits:
    def test_swapped_labels_are_found_after_sixteen_labelled_audits(self) -> None:
        found = audits.loss(audits.Audits(audits.Score(7, 16), audits.Score(45, 50), audits.Score(180, 200)))

        assert found
        assert found.p < checks.level(0.01, 1)

    def test_canaries_that_were_no_better_before_are_not_blamed_on_the_model(self) -> None:
        found = audits.loss(audits.Audits(audits.Score(12, 20), audits.Score(13, 20), audits.Score(180, 200)))

        assert found
        assert found.p > 0.2

    def test_too_few_labels_are_not_compared(self) -> None:
        assert audits.loss(audits.Audits(audits.Score(0, 7), audits.Score(), audits.Score(180, 200))) is None

    def test_a_breach_names_the_numbers(self) -> None:
        known = audits.Audits(audits.Score(5, 12), audits.Score(), audits.Score(180, 200))
        judged = checks.judge(checks.Sample("v2", "v1", [], [], labelled=known), checks.Limits(), 1)
        (accuracy,) = [each for each in judged if each.name == "accuracy"]

        assert accuracy.verdict == "breach"
        assert accuracy.sentence.startswith("Labelled audits: v2 has 5 of 12 right, v1 on other devices 180 of 200.")


class TestLevels:
    def test_all_looks_and_checks_together_spend_alpha(self) -> None:
        spent = sum(checks.level(0.01, look) for look in range(1, 5000)) * len(checks.NAMES)

        assert 0.0099 < spent < 0.01

    def test_every_check_has_one_verdict(self) -> None:
        (judged,) = rollout(Fleet(4, 1), OLD, 1, looks=1)

        assert sorted(each.name for each in judged) == sorted(checks.NAMES)


class TestStudent:
    @pytest.mark.parametrize(
        ("t", "freedom", "p"),
        [(0, 5, 0.5), (2.015, 5, 0.05), (-2.015, 5, 0.95), (5.208, 8, 0.000405), (1.96, math.inf, 0.025)],
    )
    def test_tails_are_those_of_the_tables(self, t: float, freedom: float, p: float) -> None:
        assert contrast.upper_tail(t, freedom) == pytest.approx(p, rel=0.01)


class TestCounts:
    def test_a_difference_has_no_negative_counts(self) -> None:
        one = counts.Counts({"can": [0] * 9 + [5]}, rejected=1)
        other = counts.Counts({"can": [0] * 9 + [2], "cup": [1] + [0] * 9}, rejected=3)

        assert one.minus(other) == counts.Counts({"can": [0] * 9 + [3], "cup": [0] * 10})

    def test_a_latency_is_read_from_its_buckets(self) -> None:
        latency = [0] * counts.BUCKETS
        latency[4] = 100  # 10 to 20 ms
        found = measures.latency(counts.Counts(latency=latency))

        assert found
        assert 10 < math.exp(found.value) < 20
