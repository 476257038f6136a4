from trainer import gate
from trainer.gate import Pair


def pairs(label="can", both=0, gained=0, lost=0, neither=0):
    return [
        *[Pair(label, True, True)] * both,
        *[Pair(label, True, False)] * gained,
        *[Pair(label, False, True)] * lost,
        *[Pair(label, False, False)] * neither,
    ]


def test_a_challenger_that_gains_more_than_it_loses_is_approved():
    verdict = gate.judge(pairs(both=90, gained=12, lost=4), pairs(both=50))

    assert verdict.approved
    assert "field: 102 of 106 right" in verdict.reasons[0]
    assert "12 gained, 4 lost" in verdict.reasons[0]


def test_as_good_as_the_champion_is_not_good_enough():
    verdict = gate.judge(pairs(both=90, gained=4, lost=4), pairs(both=50))

    assert not verdict.approved
    assert verdict.reasons[0] == "field: not better than the champion (4 gained, 4 lost)"


def test_a_label_that_loses_significantly_refuses_a_model_that_is_better_overall():
    field = pairs("can", both=50, gained=30) + pairs("mug", both=20, lost=9)

    verdict = gate.judge(field, [])

    assert not verdict.approved
    assert verdict.reasons[0] == "loses on mug: 9 lost, 0 gained (p = 0.002)"


def test_a_label_may_lose_what_chance_explains():
    field = pairs("can", both=50, gained=30) + pairs("mug", both=20, lost=4)  # p = 1/16

    assert gate.judge(field, []).approved


def test_many_labels_do_not_refuse_by_chance_alone():
    # One label at p = 1/32: significant alone, expected somewhere among ten labels.
    field = [pair for label in "abcdefghi" for pair in pairs(label, both=9, gained=2)] + pairs("j", both=9, lost=5)

    assert gate.judge(field, []).approved


def test_forgetting_the_base_set_refuses():
    verdict = gate.judge(pairs(both=90, gained=9), pairs(both=80, lost=10))

    assert not verdict.approved
    assert verdict.reasons[0] == "forgets the base set: 10 lost, 0 gained of 90"


def test_a_small_price_on_the_base_set_is_allowed():
    assert gate.judge(pairs(both=90, gained=9), pairs(both=196, lost=4)).approved  # 2 %: under the limit
    assert gate.judge(pairs(both=90, gained=9), pairs(both=10, lost=2, gained=1)).approved  # 8 %, of 13 images


def test_few_golden_images_are_said_so():
    assert any("only 7 golden images" in reason for reason in gate.judge(pairs(both=5, gained=2), []).reasons)
    assert not any("golden" in reason for reason in gate.judge(pairs(both=200, gained=2), []).reasons)


def test_without_golden_images_the_base_set_decides():
    better = gate.judge([], pairs(both=50, gained=3))
    same = gate.judge([], pairs(both=50))

    assert better.approved
    assert any("only 0 golden images" in reason for reason in better.reasons)
    assert not same.approved
    assert same.reasons[0] == "base: not better than the champion (0 gained, 0 lost)"


def test_nothing_to_judge_on_refuses():
    assert not gate.judge([], []).approved


def test_the_first_model_must_beat_always_saying_the_commonest_label():
    truth = ["can"] * 6 + ["mug"] * 4

    assert gate.first([(label, index != 0) for index, label in enumerate(truth)]).approved
    always_can = gate.first([(label, label == "can") for label in truth])
    assert not always_can.approved
    assert "does not beat always saying can (6 right)" in always_can.reasons[0]


def test_a_first_model_that_nothing_can_judge_is_refused():
    verdict = gate.first([])

    assert not verdict.approved
    assert "no held-out base images" in verdict.reasons[0]
