import numpy as np
import pytest

from strop_edge import delta
from trainer.tuning import graphs, shipping

LIMIT = 1.4 * 2**20
"""Bytes over the air of a tuned tail."""


@pytest.mark.parametrize("average", [False, True])
def test_a_device_rebuilds_exactly_the_graph_that_is_judged(original, moved, average):
    found = shipping.ship(original, moved(0.05), average=average)

    assert delta.rebuild(original, found.delta, len(found.graph)) == found.graph
    assert len(found.delta) < LIMIT
    rebuilt = graphs.tail(found.graph)
    assert all(np.array_equal(rebuilt[name], value) for name, value in found.tensors.items())


def test_rounding_keeps_most_of_a_change(original, moved):
    before, wanted = graphs.tail(original), moved(0.05)

    found = shipping.ship(original, wanted, average=False).tensors

    for name, value in wanted.items():
        error, change = np.square(found[name] - value).sum(), np.square(value - before[name]).sum()
        assert error < 0.03 * change, name


def test_a_tail_that_did_not_change_needs_few_bytes(original):
    found = shipping.ship(original, graphs.tail(original), average=False)

    assert len(found.delta) < 100_000


def test_a_row_without_a_change_stays_as_it_is():
    before = np.ones((2, 3), np.float32)
    after = np.array([[1, 1, 1], [1, 2, 3]], np.float32)

    found = shipping.change(before, after)

    rounded = delta.tuned(before, found.scales, found.steps)
    assert np.array_equal(rounded[0], before[0])
    assert np.allclose(rounded[1], after[1], atol=0.15)
