import hashlib

import pytest

from strop_contracts import documents
from strop_edge import image
from strop_edge.model import Model
from tests.unit.trainer import lab
from trainer import backbone, evaluation, features, jobs, training


def outcome(label, predicted, confidence=0.75, passed=True):
    given = (predicted,) if passed else ()
    return documents.Outcome(
        sha256="0" * 64,
        label=label,
        predicted=predicted,
        confidence=confidence,
        margin=0.5,
        passed=passed,
        answers=given,
        confidences={predicted: confidence},
    )


def known(share: documents.Share | None) -> documents.Share:
    assert share
    return share


def test_figures_of_a_small_evaluation():
    outcomes = [
        *[outcome("can", "can")] * 8,
        *[outcome("can", "mug")] * 2,
        *[outcome("mug", "mug", passed=False)] * 5,
    ]

    found = evaluation.metrics(outcomes, ["can", "mug"], {"can": 0.5, "mug": 0.8})

    assert (found.images, found.right) == (15, 13)
    assert known(found.accuracy).value == pytest.approx(13 / 15)
    assert known(found.accuracy).low < 13 / 15 < known(found.accuracy).high
    assert known(found.answered).value == pytest.approx(10 / 15)
    assert found.confusion == documents.Confusion(labels=("can", "mug"), counts=((8, 2), (0, 5)))
    can, mug = found.labels["can"], found.labels["mug"]
    assert (known(can.precision).value, known(can.recall).value) == (1, 0.8)
    assert (known(mug.precision).value, known(mug.recall).value) == pytest.approx((5 / 7, 1))
    assert known(can.f1).value == pytest.approx(2 * 0.8 / 1.8)
    assert can.images == 10
    assert found.macro_f1 == pytest.approx((known(can.f1).value + known(mug.f1).value) / 2)
    assert found.answers
    assert found.answers.recall == pytest.approx((0.8 + 0) / 2)  # with rejection, no mug gets its label
    assert found.answers.labels["mug"].threshold == 0.8


def test_a_label_that_the_model_does_not_know_counts_as_wrong():
    found = evaluation.metrics([outcome("cup", "can"), outcome("can", "can")], ["can"], {})

    assert found.confusion == documents.Confusion(labels=("can", "cup"), counts=((1, 0), (1, 0)))
    assert known(found.labels["cup"].recall).value == 0
    assert found.labels["cup"].precision is None


def test_calibration_is_the_mean_gap_between_confidence_and_truth():
    outcomes = [
        *[outcome("can", "can", 0.9)] * 8,
        *[outcome("mug", "can", 0.9)] * 2,
        *[outcome("can", "can", 0.55)] * 5,
        *[outcome("mug", "can", 0.55)] * 5,
        outcome("can", "can", 1.0),
    ]

    calibration = evaluation.metrics(outcomes, ["can", "mug"], {"can": 0.5, "mug": 0.8}).calibration

    assert calibration.ece == pytest.approx((0.05 * 10 + 0.0 + abs(9 - 10)) / 21)
    assert [held.images for held in calibration.bins] == [0, 0, 0, 0, 0, 10, 0, 0, 0, 11]
    assert calibration.bins[9].right == 9


def test_an_empty_part_has_figures_too_and_all_of_them_are_json():
    found = documents.Metrics.model_validate_json(evaluation.metrics([], ["can"], {}).model_dump_json())

    assert found.images == 0
    assert found.accuracy is None
    assert found.calibration.ece is None


@pytest.fixture(scope="module")
def judged(tmp_path_factory, cache):
    """A trained model, and held-out images with their features."""
    folder = tmp_path_factory.mktemp("judged")
    images = lab.items(folder / "images", train=4, valid=2)
    job = jobs.Job.model_validate_json(lab.job(cache, folder / "package", images))
    training.run(job, lambda *_: None)
    loaded = Model(folder / "package")
    held = [item for item in job.images if item.part == "valid"]
    wanted = [features.View(item.sha256, item.path) for item in held]
    with features.Cache(
        cache / "features.sqlite", cache / "backbones" / f"{backbone.SHA256}.onnx", backbone.SHA256
    ) as store:
        return loaded, wanted, [item.label for item in held], store.get(wanted, lambda *_: None)


def test_outcomes_are_what_a_device_answers(judged):
    loaded, wanted, truth, found = judged

    outcomes = evaluation.judge(loaded, wanted, truth, loaded.assess_features(found))

    for given, view in zip(outcomes, wanted, strict=True):
        best, second, *_ = loaded.rank(loaded.predict(image.load(view.path.read_bytes())[None])[0])
        assert given.predicted == best.label
        assert given.confidence == pytest.approx(best.confidence, abs=1e-3)
        assert given.margin == pytest.approx(best.confidence - second.confidence, abs=2e-3)
        assert given.passed == (best.confidence >= loaded.manifest.thresholds[best.label])
        assert given.novelty == pytest.approx(
            float(loaded.assess(image.load(view.path.read_bytes())[None])[1][0]), abs=1e-3
        )
        assert given.answers == tuple(
            label
            for label, confidence in given.confidences.items()
            if confidence >= loaded.manifest.assumed_thresholds[label] and not given.novel
        )
    assert [o.label for o in outcomes] == truth
    assert [o.sha256 for o in outcomes] == [hashlib.sha256(v.path.read_bytes()).hexdigest() for v in wanted]


def test_features_that_a_device_would_not_see_are_noticed(judged):
    loaded, wanted, _, found = judged

    evaluation.check(loaded, wanted, found)
    with pytest.raises(evaluation.Disagreement, match="would answer otherwise"):
        evaluation.check(loaded, wanted, found[::-1].copy())


def test_no_images_no_outcomes(judged, tmp_path):
    loaded, *_ = judged

    assessed = evaluation.assess(loaded, tmp_path, [], tmp_path, lambda *_: None)

    assert evaluation.judge(loaded, [], [], assessed) == []
