"""Folds of training rows: which rows a fit learns from, and which it predicts without having learned from them."""

from collections.abc import Iterator

import numpy as np

from trainer.gaussian import Integers


def split(labels: Integers, groups: Integers, count: int) -> Iterator[tuple[Integers, Integers]]:
    """Yield (learned, asked) row numbers of `count` folds; rows of one group are always in the same fold.

    `labels` and `groups` are [rows]. Each label's groups are spread over all folds. A row whose label the fit would not have
    learned is not asked: a label with one group limits no predictions of other labels. A fold without two labels is left out.
    """
    fold = _numbers(labels, groups, count)
    for number in range(count):
        learned = np.flatnonzero(fold != number)
        known = np.unique(labels[learned])
        asked = np.flatnonzero((fold == number) & np.isin(labels, known))
        if len(known) > 1 and len(asked):
            yield learned, asked


def _numbers(labels: Integers, groups: Integers, count: int) -> Integers:
    """The fold of each row: groups by label, the largest first, are dealt out in turn."""
    names, first, place, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    random = np.random.default_rng(0).permutation(len(names))  # in place of the order in which images were taken
    order = np.lexsort((random, -sizes, labels[first]))
    dealt = np.empty(len(names), np.int64)
    dealt[order] = np.arange(len(names)) % count
    found: Integers = dealt[place]
    return found
