import numpy as np
import pytest

from trainer import calibration, features, gaussian, head
from trainer.tuning import mixing

RANDOM = np.random.default_rng(0)


def normal(*shape: int) -> gaussian.Floats:
    return RANDOM.standard_normal(shape, np.float32)


def test_the_graph_gives_the_mean_of_both_and_the_novelty_of_the_first():
    shape = gaussian.Gaussian(normal(3, 8), normal(3), np.ones(3, np.float32), normal(8))
    first = head.Head(normal(3, 8), normal(3), 1.0, 0.5, (0,) * 3, (0.5,) * 3, shape, 0.7)
    weights, bias, rows = normal(3, 10), normal(3), normal(5, 18)

    graph = mixing.export(first, weights, bias)

    ones = (rows[:, :8] @ first.weights.T + first.bias) / np.float32(0.5)
    wanted = mixing.mean(ones, rows[:, 8:] @ weights.T + bias)
    assert np.allclose(features.run(graph, "probabilities", {"features": rows}), wanted, atol=1e-6)
    assert np.allclose(features.run(graph, "novelty", {"features": rows}), shape.novelty(rows[:, :8]), atol=1e-4)


def logits(truth: gaussian.Integers, certainty: float) -> gaussian.Floats:
    """Right for 8 of 10 images, with this logit for the label that is answered."""
    answered = np.where(RANDOM.random(len(truth)) < 0.8, truth, (truth + 1) % 3)
    return np.eye(3, dtype=np.float32)[answered] * np.float32(certainty) + normal(len(truth), 3) * np.float32(0.3)


@pytest.mark.parametrize("certainty", [1.0, 4.0, 30.0])
def test_the_confidence_of_a_mix_is_its_accuracy(certainty):
    truth = np.arange(600) % 3
    first, second = logits(truth, 2.5), logits(truth, certainty)

    found = mixing.estimate(first, second, truth, None)

    shares = mixing.mean(first / np.float32(found.first), second / np.float32(found.second))
    right = (shares.argmax(axis=1) == truth).mean()
    assert shares.max(axis=1).mean() == pytest.approx(right, abs=0.04)


def test_a_classifier_alone_has_its_own_temperature():
    truth = np.arange(600) % 3
    second = logits(truth, 30.0)

    found = mixing.estimate(None, second, truth, 1.5)

    assert found.second == calibration.temperature(second, truth)
    assert (found.first, found.novelty, len(found.thresholds)) == (1.0, 1.5, 3)
