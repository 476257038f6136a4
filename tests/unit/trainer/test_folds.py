import numpy as np
import pytest
from numpy.typing import NDArray

from trainer import folds


def rows(*sizes: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A label per size, each row a group of its own."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return labels, np.arange(len(labels))


def test_every_row_is_asked_once_of_a_fit_without_its_group():
    labels, _ = rows(12, 6)
    groups = np.arange(18) // 2

    found = list(folds.split(labels, groups, 3))

    assert sorted(np.concatenate([asked for _, asked in found])) == list(range(18))
    assert all(not set(groups[learned]) & set(groups[asked]) for learned, asked in found)


@pytest.mark.parametrize("count", [3, 5])
def test_each_label_is_spread_over_all_folds(count):
    labels, groups = rows(30, 15)

    found = list(folds.split(labels, groups, count))

    assert [np.bincount(labels[asked]).tolist() for _, asked in found] == [[30 // count, 15 // count]] * count


def test_the_only_image_of_a_label_is_learned_from_and_not_asked():
    labels, groups = rows(9, 9, 1)

    found = list(folds.split(labels, groups, 3))

    assert sorted(np.concatenate([asked for _, asked in found])) == list(range(18))
    assert sum(18 in learned for learned, _ in found) == 2


def test_groups_are_spread_by_size_and_stay_together_with_two_labels():
    sizes = [20, 2, 12, 2, 6, 2]
    groups = np.repeat(np.arange(6), sizes)
    labels = np.where(np.arange(44) % 5 == 0, 1, 0)

    found = list(folds.split(labels, groups, 3))

    assert len(found) == 3
    assert all(not set(groups[learned]) & set(groups[asked]) for learned, asked in found)
    assert all(len(set(groups[asked])) == 2 for _, asked in found)


def test_a_fold_that_leaves_one_label_is_left_out():
    assert list(folds.split(*rows(1, 1), 3)) == []
