from pathlib import Path

import numpy as np
import pytest

from trainer import calibration
from trainer.gaussian import Floats
from trainer.tuning import graphs, loop, settings

OPTIONS = settings.Options(epochs=3, batch=8, warmup=2, threads=1)
CLASSIFIER = (np.zeros((3, 1904), np.float32), np.zeros(3, np.float32))


class Killed(Exception):
    pass


def tune(images: loop.Images, original: bytes, checkpoint: Path, **changes: object) -> loop.Tuned:
    options = OPTIONS.model_copy(update=changes)
    return loop.tune(graphs.tail(original), CLASSIFIER, images, None, options, checkpoint, lambda *_: None)


def loss(tuned: loop.Tuned, images: loop.Images) -> float:
    return calibration.loss(loop.compute(tuned, images, 8), images.labels)


def test_the_loss_falls(images: loop.Images, original: bytes, tmp_path: Path) -> None:
    found = tune(images, original, tmp_path / "run.pt", average=0)

    begun = loop.Tuned(graphs.tail(original), *CLASSIFIER, 0)
    assert loss(found, images) < 0.8 * loss(begun, images)
    assert found.epochs == 3


def test_a_run_that_was_killed_ends_as_one_that_was_not(images: loop.Images, original: bytes, tmp_path: Path) -> None:
    wanted = tune(images, original, tmp_path / "whole.pt")

    def kill(done: int, total: int) -> None:
        if done > total * 2 / 3:
            raise Killed

    with pytest.raises(Killed):
        loop.tune(graphs.tail(original), CLASSIFIER, images, None, OPTIONS, tmp_path / "run.pt", kill)
    reported: list[int] = []
    found = loop.tune(
        *(graphs.tail(original), CLASSIFIER, images, None, OPTIONS, tmp_path / "run.pt"),
        lambda done, _: reported.append(done),
    )

    assert min(reported) > len(images.labels)  # the first epochs are not repeated
    assert np.array_equal(found.weights, wanted.weights)
    assert all(np.array_equal(found.tensors[name], value) for name, value in wanted.tensors.items())


def test_a_damaged_checkpoint_begins_anew(images: loop.Images, original: bytes, tmp_path: Path) -> None:
    wanted = tune(images, original, tmp_path / "run.pt", epochs=1)
    (tmp_path / "run.pt").write_bytes(b"damaged")

    found = tune(images, original, tmp_path / "run.pt", epochs=1)

    assert np.array_equal(found.weights, wanted.weights)


def wrong(images: loop.Images) -> loop.Images:
    """Held-out images whose labels are other ones, so that learning only makes it worse."""
    return loop.Images(images.read, images.views, (images.labels + 1) % 3)


def test_it_stops_when_held_out_images_gain_nothing(images: loop.Images, original: bytes, tmp_path: Path) -> None:
    options = OPTIONS.model_copy(update={"epochs": 9, "patience": 1})
    reported: list[int] = []

    found = loop.tune(
        *(graphs.tail(original), CLASSIFIER, images, wrong(images), options, tmp_path / "run.pt"),
        lambda done, _: reported.append(done // len(images.labels)),
    )

    assert found.epochs < max(each for each in reported if each < 9) + 1
    assert found.epochs < 6


def test_labels_with_few_images_weigh_as_much_as_others() -> None:
    labels = np.array([0] * 8 + [1] * 2, np.int64)

    weights: Floats = loop._balance(labels, 3)

    assert weights[labels].sum() == pytest.approx(len(labels) * 2 / 3)
    assert weights[0] * 8 == pytest.approx(weights[1] * 2)
