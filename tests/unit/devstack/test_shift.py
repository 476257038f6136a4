"""The field camera for photographs: deterministic, and as bad as its strength says."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from strop_devstack import render
from strop_devstack.render import shift


@pytest.fixture(scope="module")
def jpeg() -> bytes:
    return render.render("coffee-mug", 3)


def pixels(jpeg: bytes) -> NDArray[np.float32]:
    return np.asarray(Image.open(io.BytesIO(jpeg)), np.float32)


def test_picture_and_seed_decide_everything(jpeg: bytes) -> None:
    assert shift.field(jpeg, 1) == shift.field(jpeg, 1)
    assert shift.field(jpeg, 1) != shift.field(jpeg, 2)


def test_two_pictures_with_one_seed_are_shifted_differently(jpeg: bytes) -> None:
    other = render.render("coffee-mug", 4)
    ratios = [pixels(shift.field(each, 1)).mean() / pixels(each).mean() for each in (jpeg, other)]

    assert abs(ratios[0] - ratios[1]) > 0.001


def test_the_picture_gets_darker_and_keeps_its_size(jpeg: bytes) -> None:
    for seed in range(10):
        shifted = pixels(shift.field(jpeg, seed))

        assert shifted.shape == pixels(jpeg).shape
        assert shifted.mean() < 0.75 * pixels(jpeg).mean()


def test_strength_decides_how_far_it_goes(jpeg: bytes) -> None:
    differences = [np.abs(pixels(shift.field(jpeg, 5, strength)) - pixels(jpeg)).mean() for strength in (0, 0.5, 1)]

    assert differences[0] < 5
    assert differences[0] < differences[1] < differences[2]


def test_no_part_of_the_picture_comes_from_outside_it() -> None:
    out = io.BytesIO()
    Image.new("RGB", (200, 150), (250, 250, 250)).save(out, "JPEG")

    for seed in range(20):
        assert pixels(shift.field(out.getvalue(), seed)).min() > 20  # a black corner would be 0


def test_other_formats_and_modes_are_taken_too() -> None:
    out = io.BytesIO()
    Image.new("LA", (64, 48), 200).save(out, "PNG")

    assert pixels(shift.field(out.getvalue(), 0)).shape == (48, 64, 3)
