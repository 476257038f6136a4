import pytest

from trainer import gate
from trainer.gate import Pair


def pairs(label="can", both=0, gained=0, lost=0, neither=0):
    return [
        *[Pair(label, True, True)] * both,
        *[Pair(label, True, False)] * gained,
        *[Pair(label, False, True)] * lost,
        *[Pair(label, False, False)] * neither,
    ]


def test_a_significant_gain_is_approved():
    verdict = gate.judge(pairs(both=90, gained=12, lost=4), pairs(both=50))

    assert verdict.state == "approved"
    assert "field: 102 of 106 right" in verdict.reasons[0]
    assert "the champion 94; 12 gained, 4 lost (p = 0.038 of a gain)" in verdict.reasons[0]


def test_a_gain_that_chance_explains_is_undecided():
    verdict = gate.judge(pairs(both=75, gained=7, lost=5), pairs(both=50))

    assert verdict.state == "undecided"
    assert verdict.reasons[0].startswith(
        "field: 7 gained, 5 lost of 87, 2.3 points better: not significant (p = 0.39, at most 0.1 needed)."
    )


def test_the_images_that_a_gain_of_this_size_needs_are_given():
    reason = gate.judge(pairs(both=75, gained=7, lost=5), []).reasons[0]

    assert reason.endswith("About 1245 images would show a gain of this size (probability 80%)")


@pytest.mark.parametrize("gained", [1, 3])
def test_few_golden_images_are_undecided_whatever_they_gain(gained):
    assert gate.judge(pairs(both=3 - gained, gained=gained), pairs(both=50)).state == "undecided"


def test_no_gain_on_enough_images_is_refused():
    verdict = gate.judge(pairs(both=90, gained=4, lost=4), pairs(both=50))

    assert verdict.state == "refused"
    assert verdict.reasons[0] == "field: not better than the champion (4 gained, 4 lost)"


def test_no_gain_on_few_images_is_undecided():
    verdict = gate.judge(pairs(both=20), pairs(both=50))

    assert verdict.state == "undecided"
    assert "on only 20 images; 30 are needed to refuse it" in verdict.reasons[0]


def test_a_significant_loss_on_few_images_is_refused():
    verdict = gate.judge(pairs(both=10, lost=6), pairs(both=50))

    assert verdict.state == "refused"
    assert verdict.reasons[0] == "field: worse than the champion (0 gained, 6 lost, p = 0.016)"


def test_a_base_label_that_is_forgotten_refuses():
    """30 of 30 images of one label, of 600 base images: five points in all."""
    base = [pair for label in range(19) for pair in pairs(f"{label}", both=30)] + pairs("mug", lost=30)

    verdict = gate.judge(pairs(both=90, gained=20), base)

    assert verdict.state == "refused"
    assert "base, mug: 0 gained, 30 lost of 30, 100.0 points worse, more than the margin of 10" in verdict.reasons[0]


def test_a_label_that_loses_significantly_refuses_a_model_that_is_better_overall():
    field = pairs("can", both=50, gained=30) + pairs("mug", both=20, lost=9)

    verdict = gate.judge(field, [])

    assert verdict.state == "refused"
    assert verdict.reasons[0].startswith("field, mug: 0 gained, 9 lost of 29, 31.0 points worse")
    assert "(p = 0.002)" in verdict.reasons[0]


def test_a_large_loss_on_a_label_with_few_images_is_undecided():
    field = pairs("can", both=50, gained=30) + pairs("mug", both=3, lost=3)

    verdict = gate.judge(field, [])

    assert verdict.state == "undecided"
    assert "field, mug: 0 gained, 3 lost of 6" in verdict.reasons[0]
    assert "chance may explain it (p = 0.125)" in verdict.reasons[0]


def test_a_loss_within_the_margin_is_allowed_however_significant():
    field = pairs("can", both=500, gained=100) + pairs("mug", both=560, lost=40)

    assert gate.judge(field, []).state == "approved"


def test_a_label_may_lose_what_chance_explains():
    field = pairs("can", both=50, gained=30) + pairs("mug", both=20, lost=3, gained=1)

    assert gate.judge(field, []).state == "approved"


def test_many_labels_do_not_refuse_by_chance_alone():
    # One label at p = 1/32: significant alone, expected somewhere among ten labels.
    field = [pair for label in "abcdefghi" for pair in pairs(label, both=9, gained=3)] + pairs("j", both=14, lost=5)

    assert gate.judge(field, []).state != "refused"


def test_rare_labels_are_judged_together():
    field = pairs("can", both=50, gained=30)
    rare = [pair for label in "abc" for pair in pairs(label, lost=4)]

    verdict = gate.judge(field + rare, [])

    assert verdict.state == "refused"
    assert verdict.reasons[0].startswith("field, labels with fewer than 5 images: 0 gained, 12 lost of 12")


def test_a_small_loss_spread_over_all_base_labels_refuses():
    base = [pair for label in "abcdefgh" for pair in pairs(label, both=27, lost=3)]

    verdict = gate.judge(pairs(both=90, gained=9), base)

    assert verdict.state == "refused"
    assert verdict.reasons[0].startswith("base: 0 gained, 24 lost of 240, 10.0 points worse, more than the margin of 5")


def test_a_small_loss_on_the_base_set_is_allowed():
    assert gate.judge(pairs(both=90, gained=9), pairs(both=196, lost=4)).state == "approved"  # 2 %: under the margin
    assert gate.judge(pairs(both=90, gained=9), pairs(both=10, lost=2, gained=1)).state == "approved"  # one of 13


def test_the_power_of_the_golden_set_is_given():
    reasons = gate.judge(pairs(both=75, gained=7, lost=5), []).reasons

    assert reasons[-1] == "87 golden images (labelled audits) can detect a gain of 9 points (probability 80%)"
    assert gate.judge(pairs(gained=1), []).reasons[-1].startswith("1 golden images (labelled audits) cannot detect")


def test_without_golden_images_the_base_set_decides():
    better = gate.judge([], pairs(both=50, gained=5))
    same = gate.judge([], pairs(both=50))

    assert better.state == "approved"
    assert "base images can detect" in better.reasons[-1]
    assert same.state == "refused"
    assert same.reasons[0] == "base: not better than the champion (0 gained, 0 lost)"


def test_nothing_to_judge_on_is_undecided():
    verdict = gate.judge([], [])

    assert (verdict.state, verdict.reasons) == ("undecided", ("there are no held-out images to judge the model on",))


def test_the_first_model_must_beat_always_saying_the_commonest_label():
    truth = ["can"] * 6 + ["mug"] * 4

    assert gate.first([(label, index != 0) for index, label in enumerate(truth)]).state == "approved"
    always_can = gate.first([(label, label == "can") for label in truth])
    assert always_can.state == "refused"
    assert "does not beat always saying can (6 right)" in always_can.reasons[0]


def test_a_first_model_without_held_out_images_is_undecided():
    verdict = gate.first([])

    assert verdict.state == "undecided"
    assert "no held-out base images" in verdict.reasons[0]


def test_a_tiny_p_value_is_not_printed_as_zero() -> None:
    verdict = gate.judge([gate.Pair("can", challenger=True, champion=index > 20) for index in range(40)], [])

    assert "p < 0.001 of a gain" in verdict.reasons[0]


def test_each_judgement_of_a_model_halves_the_level():
    limits = gate.Limits(level=0.1)

    assert [limits.again(judgement).level for judgement in (1, 2, 3)] == [0.1, 0.05, 0.025]


def test_a_gain_that_suffices_at_first_may_not_suffice_again():
    field, base = pairs(both=90, gained=8, lost=3), pairs(both=50)

    assert gate.judge(field, base, gate.DEFAULTS).state == "undecided"
    assert gate.judge(field, base, gate.Limits(level=0.2)).state == "approved"
    assert gate.judge(field, base, gate.Limits(level=0.2).again(2)).state == "undecided"


def test_a_wider_margin_allows_the_loss_of_a_label():
    field = [*pairs("can", both=60, gained=20), *pairs("jar", both=14, lost=6)]

    assert gate.judge(field, []).state != "approved"
    assert gate.judge(field, [], gate.Limits(label_margin=0.4)).state == "approved"


@pytest.mark.parametrize(("golden", "state"), [(9, "undecided"), (10, "approved")])
def test_golden_images_judge_a_first_model_without_base_images(golden, state):
    field = [("can" if number % 2 else "jar", True) for number in range(golden)]

    assert gate.first([], field).state == state
