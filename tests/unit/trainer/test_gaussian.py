import numpy as np
import pytest

from trainer import gaussian


def rows(labels: int = 3, each: int = 50, width: int = 12, seed: int = 0) -> tuple[gaussian.Floats, gaussian.Integers]:
    dice = np.random.default_rng(seed)
    centres = np.random.default_rng(9).normal(size=(labels, width))
    truth = np.repeat(np.arange(labels), each)
    return (centres[truth] + dice.normal(size=(len(truth), width)) * 0.3).astype(np.float32), truth


def test_novelty_is_1_in_the_middle_of_all_and_about_0_at_the_mean_of_a_label():
    features, truth = rows()
    fitted = gaussian.fit(features, truth, 3)
    means = np.stack([features[truth == label].mean(axis=0) for label in range(3)])

    assert fitted.novelty(means.mean(axis=0, keepdims=True)) == pytest.approx(1, abs=1e-4)
    plain = fitted.novelty(means) - gaussian.APART * (means.mean(axis=0) - means) @ means.mean(axis=0)
    weights, bias = fitted.shares
    seconds = np.sort(means @ weights.T + bias, axis=1)[:, -2]
    assert plain - gaussian.RIVAL * seconds == pytest.approx(0, abs=1e-4)


def test_logits_differ_as_the_squared_mahalanobis_distances_do():
    """From the definition, with the covariance written out."""
    features, truth = rows()
    fitted = gaussian.fit(features, truth, 3)
    means = np.stack([features[truth == label].mean(axis=0) for label in range(3)]).astype(np.float64)
    inside = np.cov((features - means[truth]).T, bias=True)
    share, size = gaussian.SHRINKAGE, len(inside)
    shrunk = (1 - share) * inside + (share * np.trace(inside) + gaussian._LEAST) / size * np.eye(size)
    away = features[:5, None] - means
    distances = np.einsum("ncf,fg,ncg->nc", away, np.linalg.inv(shrunk), away)

    logits = fitted.logits(features[:5])

    assert logits - logits[:, :1] == pytest.approx((distances[:, :1] - distances) / 2, abs=1e-2)


def test_it_tells_labels_apart():
    fitted = gaussian.fit(*rows(), 3)
    unseen, truth = rows(seed=1)

    assert (fitted.logits(unseen).argmax(axis=1) == truth).all()


def test_a_label_without_rows_never_wins_and_makes_nothing_known():
    features, truth = rows(labels=2)
    fitted = gaussian.fit(features, truth * 2, 3)

    assert set(fitted.logits(features).argmax(axis=1)) == {0, 2}
    assert np.isfinite(fitted.novelty(features)).all()


def test_one_row_a_label_is_enough_to_be_finite():
    fitted = gaussian.fit(*rows(each=1), 3)

    assert np.isfinite(fitted.weights).all()
    assert np.isfinite(fitted.novelty(rows(each=1)[0])).all()
