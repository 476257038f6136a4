import pytest

from trainer import learning_curve
from trainer.learning_curve import Comparison


def curve(images, exponent=0.5, golden=10_000):
    """Models whose error falls as a power of the number of images, each compared with the one before."""
    right = [round(golden * (1 - 0.4 * (count / images[0]) ** -exponent)) for count in images]
    return [Comparison(images[n], images[n - 1], golden, right[n], right[n - 1]) for n in range(1, len(images))]


def test_a_power_law_is_continued():
    gain = learning_curve.expected(curve([100, 200, 400, 800]), 800)

    error = 0.4 * 8**-0.5
    assert gain.value is not None
    assert gain.value == pytest.approx(error * (1 - 2**-0.5), abs=0.001)
    assert gain.low <= gain.value <= gain.high


def test_few_trainings_give_no_estimate():
    gain = learning_curve.expected(curve([100, 200, 400]), 800)

    assert gain.value is None
    assert str(gain) == "unknown: 2 of 3 trainings compared with a champion on field images"


def test_trainings_that_disagree_widen_the_interval():
    steady = curve([100, 200, 400, 800])
    unsteady = [*steady[:2], Comparison(800, 400, 10_000, steady[1].right, steady[1].right + 100)]

    width = [gain.high - gain.low for gain in (learning_curve.expected(each, 800) for each in (steady, unsteady))]
    assert width[0] < 0.001 < width[1]


def test_a_model_of_no_more_images_than_its_champion_is_left_out():
    assert learning_curve.expected([Comparison(100, 100, 50, 40, 30)] * 3, 10).value is None


def test_the_gain_is_worded_in_points_with_its_interval():
    assert str(learning_curve.Gain(0.018, 0.004, 0.03, 5)) == "+1.8 points (0.4 to 3.0), estimated from 5 trainings"
