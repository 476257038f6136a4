import numpy as np
import onnxruntime
import pytest

from trainer import calibration, head
from trainer.backends import base

OPTIONS = head.Options()
FEATURES = 320  # a head takes what its backbone gives


def examples(per_label=20, labels=3, noise=0.05, seed=0):
    """Features around one direction per label, of length 1, every second row a further view of the one before."""
    dice = np.random.default_rng(seed)
    centres = np.random.default_rng(42).normal(size=(labels, FEATURES))
    truth = np.repeat(np.arange(labels), per_label)
    rows = centres[truth] + dice.normal(size=(len(truth), FEATURES)) * noise * FEATURES**0.5
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return head.Examples(rows.astype(np.float32), truth, np.arange(len(truth)) // 2, np.arange(len(truth)) % 2 == 0)


def silent(done, total):
    pass


def predict(trained, features):
    session = onnxruntime.InferenceSession(head.export(trained), providers=["CPUExecutionProvider"])
    return session.run(["probabilities"], {"features": features})[0]


def test_it_learns_what_can_be_told_apart():
    trained = head.train(examples(), 3, OPTIONS, silent)
    unseen = examples(seed=1)

    found = predict(trained, unseen.features)

    assert (found.argmax(axis=1) == unseen.labels).all()
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_two_labels_work_too():
    unseen = examples(labels=2, seed=1)

    found = predict(head.train(examples(labels=2), 2, OPTIONS, silent), unseen.features)

    assert (found.argmax(axis=1) == unseen.labels).all()


def test_the_exported_head_has_the_temperature_inside():
    trained = head.train(examples(), 3, OPTIONS, silent)
    features = examples(seed=1).features
    logits = features @ trained.weights.T + trained.bias

    assert predict(trained, features) == pytest.approx(calibration.softmax(logits / trained.temperature), abs=1e-5)


def test_the_same_examples_give_the_same_bytes():
    one, two = (head.export(head.train(examples(), 3, OPTIONS, silent)) for _ in range(2))

    assert one == two


def test_a_rare_label_is_not_forgotten():
    made = examples(per_label=40, noise=0.12)
    keep = np.flatnonzero((made.labels != 2) | (np.arange(len(made.labels)) % 8 < 2))

    trained = head.train(made.of(keep), 3, OPTIONS, silent)

    unseen = examples(per_label=40, noise=0.12, seed=1)
    right = predict(trained, unseen.features).argmax(axis=1) == unseen.labels
    assert right[unseen.labels == 2].mean() > 0.9


def test_probabilities_are_calibrated_where_labels_are_noisy():
    made = examples(per_label=100, noise=0.1)
    lied = np.random.default_rng(3).permutation(len(made.labels))[:60]  # a fifth of the truth is drawn at random
    made.labels[lied] = np.random.default_rng(4).integers(0, 3, len(lied))

    found = predict(head.train(made, 3, OPTIONS, silent), examples(per_label=100, noise=0.1, seed=1).features)

    assert 0.75 < found.max(axis=1).mean() < 0.95  # 0.8 + 0.2 / 3 of the labels are the ones that can be seen


def test_probabilities_of_few_images_are_calibrated():
    """Five images a label, and features that tell the labels apart less than perfectly."""
    errors = []
    for seed in range(2):
        made = examples(per_label=10, labels=6, noise=0.13, seed=seed)
        unseen = examples(per_label=60, labels=6, noise=0.13, seed=100 + seed)
        found = predict(head.train(made, 6, OPTIONS, silent), unseen.features)
        errors.append(found.max(axis=1).mean() - (found.argmax(axis=1) == unseen.labels).mean())

    assert abs(np.mean(errors)) < 0.05


def test_too_few_images_for_folds_still_make_a_head():
    trained = head.train(examples(per_label=2), 3, OPTIONS, silent)  # one group a label

    assert trained.temperature == 1
    assert trained.thresholds == (0, 0, 0)
    assert trained.assumed == (0.5, 0.5, 0.5)
    assert trained.novelty is None


@pytest.mark.parametrize("images", [1, 2])
def test_a_label_with_few_images_leaves_the_others_calibrated(images):
    made = examples(per_label=40, noise=0.12)
    stray = made.of(np.flatnonzero((made.labels < 2) | (np.arange(len(made.labels)) < 80 + 2 * images)))
    without = head.train(made.of(np.flatnonzero(made.labels < 2)), 2, OPTIONS, silent)

    trained = head.train(stray, 3, OPTIONS, silent)

    unseen = examples(per_label=40, noise=0.12, seed=1)
    known = unseen.of(np.flatnonzero(unseen.labels < 2))
    assert trained.temperature != 1
    assert trained.novelty == pytest.approx(without.novelty, abs=0.2)
    assert all(0 < threshold != 0.5 for threshold in trained.assumed[:2])
    assert predict(trained, known.features).max(axis=1).mean() > 0.8  # of which all are right


def test_one_label_is_not_enough():
    with pytest.raises(base.CannotTrain, match="at least two labels"):
        head.train(examples(labels=1), 1, OPTIONS, silent)


def test_views_of_an_image_never_straddle_folds():
    """Twins with labels drawn by chance: only a fit that has seen the twin could know them."""
    dice = np.random.default_rng(0)
    rows = dice.normal(size=(60, FEATURES)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    labels = dice.integers(0, 2, 60)
    twins = head.Examples(
        np.repeat(rows, 2, axis=0), np.repeat(labels, 2), np.repeat(np.arange(60), 2), np.tile([True, False], 60)
    )

    unseen = head._out_of_fold(twins, 2, OPTIONS, head.FOLDS, silent)

    assert unseen
    assert (unseen.regressions[30.0].argmax(axis=1) == labels).mean() < 0.75
    assert (unseen.discriminant.argmax(axis=1) == labels).mean() < 0.75


def test_a_label_that_a_fold_lacks_is_not_predicted_there():
    made = examples(per_label=6, labels=2)
    lonely = head.Examples(made.features, np.where(made.labels == 1, 2, 0), made.groups, made.plain)

    weights, bias = head._fit(lonely, 3, 10.0, 1000)

    assert (made.features @ weights.T + bias).argmax(axis=1).tolist() == lonely.labels.tolist()
    assert bias[1] == head._ABSENT


def test_progress_is_told():
    heard = []

    head.train(examples(), 3, OPTIONS, lambda done, total: heard.append((done, total)))

    assert heard == [*((done, 3) for done in range(1, 4)), *((done, 10) for done in range(1, 11))]


def test_the_novelty_threshold_costs_the_share_of_known_images_that_was_asked_for():
    made = examples(per_label=60, noise=0.1)
    limits = np.array(
        [head.train(made, 3, head.Options(known_rejected=share), silent).novelty for share in (0.02, 0.3)], float
    )
    trained = head.train(made, 3, head.Options(known_rejected=0.1), silent)

    lost = novelty(trained, examples(per_label=400, noise=0.1, seed=1).features) > trained.novelty

    assert limits[0] > limits[1]
    assert 0.03 < lost.mean() < 0.2


def test_what_was_never_seen_is_novel():
    trained = head.train(examples(per_label=40), 3, OPTIONS, silent)
    stranger = examples(per_label=40, labels=5, seed=2)

    found = novelty(trained, stranger.features) > trained.novelty

    assert found[stranger.labels > 2].all()
    assert found[stranger.labels < 3].mean() < 0.2


def test_the_exported_novelty_is_the_one_that_the_threshold_was_chosen_by():
    trained = head.train(examples(), 3, OPTIONS, silent)
    unseen = examples(seed=1).features

    assert novelty(trained, unseen) == pytest.approx(trained.gaussian.novelty(unseen), abs=1e-4)


def novelty(trained, features):
    session = onnxruntime.InferenceSession(head.export(trained), providers=["CPUExecutionProvider"])
    return session.run(["novelty"], {"features": features})[0]
