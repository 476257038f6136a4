import numpy as np
import pytest

from trainer import calibration


def test_a_threshold_cuts_off_what_is_mostly_wrong():
    confidences = np.array([0.3, 0.35, 0.4, 0.8, 0.9, 0.95], np.float32)
    right = np.array([False, False, False, True, True, True])

    assert calibration._device(confidences, right) == pytest.approx(0.8)


@pytest.mark.parametrize("right", [[True, True, True], [False, False, False], []])
def test_there_is_no_threshold_where_none_gains(right):
    assert calibration._device(np.linspace(0.4, 0.9, len(right), dtype=np.float32), np.array(right, bool)) == 0


def test_the_assumed_threshold_lies_between_what_counts_and_what_does_not():
    confidences = np.array([0.9, 0.1, 0.7, 0.2], np.float32)
    right = np.array([True, False, True, False])

    assert calibration._assumed(confidences, right) == pytest.approx(0.45)


def test_the_assumed_threshold_has_the_best_f1():
    dice = np.random.default_rng(0)
    right = dice.random(300) < 0.3
    confidences = np.where(right, dice.beta(4, 2, 300), dice.beta(2, 4, 300)).astype(np.float32)

    def f1(threshold):
        return 2 * (right & (confidences >= threshold)).sum() / (right.sum() + (confidences >= threshold).sum())

    assert f1(calibration._assumed(confidences, right)) == max(f1(each) for each in confidences)


def test_a_second_best_label_is_not_answered():
    """Three labels, the truth always at 0.7 and one other at 0.3."""
    truth = np.arange(60) % 3
    shares = np.zeros((60, 3), np.float32)
    shares[np.arange(60), truth], shares[np.arange(60), (truth + 1) % 3] = 0.7, 0.3

    assert calibration.assumed(shares, truth) == pytest.approx((0.5, 0.5, 0.5))


def test_a_label_without_images_is_answered_from_half_on():
    shares = np.full((4, 2), 0.5, np.float32)

    assert calibration.assumed(shares, np.zeros(4, np.int64))[1] == 0.5


def test_the_temperature_softens_what_is_too_sure():
    dice = np.random.default_rng(0)
    truth = dice.integers(0, 3, 2000)
    logits = dice.normal(size=(2000, 3)).astype(np.float32)
    logits[np.arange(2000), truth] += 1
    best = calibration.temperature(logits, truth)

    assert calibration.temperature(logits * 10, truth) == pytest.approx(best * 10, rel=0.1)
