from pathlib import Path

import numpy as np
import pytest

from trainer import features
from trainer.tuning import graphs, loop, tail


def test_pytorch_gives_the_features_of_the_backbones_file(cache: Path, original: bytes, images: loop.Images) -> None:
    shown = [each[0] for each in images.views[::6]]
    with features.Cache(cache / "whole.sqlite", original, "whole") as store:
        wanted = store.get(shown, lambda *_: None)

    (found,) = tail.compute([images.read(shown)], tail.fixed(graphs.tail(original), "cpu"), "cpu")

    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() < 1e-3


def test_a_tail_that_was_not_tuned_is_that_of_the_backbone(original: bytes) -> None:
    before = graphs.tail(original)

    found = tail.Tunable(before, "cpu").tensors()

    assert found.keys() == before.keys()
    assert all(np.allclose(found[name], value, rtol=1e-4, atol=1e-5) for name, value in before.items())


@pytest.mark.parametrize("batch", [1, 5])
def test_features_have_length_1(original: bytes, images: loop.Images, batch: int) -> None:
    folded = tail.fixed(graphs.tail(original), "cpu")

    for found in tail.compute(images.plain(batch), folded, "cpu"):
        assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)
