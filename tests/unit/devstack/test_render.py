"""The camera simulation: the same picture for the same words, and a field that differs from the factory."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from strop_devstack import render


def pixels(jpeg: bytes) -> NDArray[np.float32]:
    return np.asarray(Image.open(io.BytesIO(jpeg)), np.float32)


@pytest.mark.parametrize("label", render.LABELS)
@pytest.mark.parametrize("field", [False, 0.5, True])
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(label: str, field: float) -> None:
    first = render.render(label, 7, field)

    assert first == render.render(label, 7, field)
    assert first != render.render(label, 8, field)


def test_every_label_looks_different() -> None:
    assert len({render.render(label, 1) for label in render.LABELS}) == len(render.LABELS)


@pytest.mark.parametrize("label", render.LABELS)
def test_the_field_is_darker_and_warmer_than_the_factory(label: str) -> None:
    factory, field = (
        np.mean([pixels(render.render(label, seed, at)).mean((0, 1)) for seed in range(12)], 0) for at in (0, 1)
    )

    assert field.mean() < 0.8 * factory.mean()
    assert field[0] / field[2] > factory[0] / factory[2]


def test_pictures_have_the_size_of_a_small_camera() -> None:
    assert pixels(render.render("soda-can", 0, field=True)).shape == (240, 320, 3)


def test_seeds_far_apart_all_render() -> None:
    for seed in range(20):
        for label in render.LABELS:
            assert len(render.render(label, seed * 99_991, field=seed % 2)) > 2_000
