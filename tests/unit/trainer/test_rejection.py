import pytest

from trainer import rejection


def test_an_image_is_hit_missed_or_answered_wrongly():
    found = rejection.figures(
        [("rose", ["rose"]), ("rose", []), ("rose", ["iris", "rose"]), ("iris", ["rose"]), ("iris", ["iris"])],
        ["iris", "rose"],
        {"iris": 0.3, "rose": 0.6},
    )

    rose = found.labels["rose"]
    assert (rose.true_positives, rose.false_positives, rose.false_negatives) == (2, 1, 1)
    assert (rose.precision, rose.recall, rose.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert (rose.images, rose.threshold) == (3, 0.6)
    assert found.labels["iris"].f1 == 0.5
    assert found.f1 == pytest.approx((2 / 3 + 0.5) / 2)
    assert found.unanswered == 1


def test_a_label_that_is_never_answered_counts_as_0():
    found = rejection.figures([("rose", []), ("iris", ["iris"])], ["iris", "rose"], {})

    assert found.labels["rose"].precision is None
    assert found.precision == 0.5


def test_labels_without_test_images_do_not_count():
    assert rejection.figures([("iris", ["iris"])], ["iris", "rose"], {}).recall == 1


def test_without_images_there_are_no_figures():
    found = rejection.figures([], ["iris"], {"iris": 0.5})

    assert (found.f1, found.labels["iris"].f1) == (None, None)
