import numpy as np
import pytest

from strop_edge import image
from tests.unit.trainer import lab
from trainer import views

SHA = "1f" * 32


@pytest.fixture
def pixels():
    return image.load(lab.picture("square", 1))


def test_the_plain_view_is_the_image(pixels):
    assert (views.render(pixels, views.PLAIN, SHA) == pixels).all()


def test_the_mirrored_view_swaps_left_and_right(pixels):
    assert (views.render(pixels, views.MIRRORED, SHA) == pixels[:, ::-1]).all()


def test_a_degraded_view_is_always_the_same_for_an_image_and_another_for_another(pixels):
    once, again = (views.render(pixels, views.DEGRADED, SHA) for _ in range(2))

    assert (once == again).all()
    assert (once != views.render(pixels, views.DEGRADED, "2e" * 32)).any()


@pytest.mark.parametrize("view", views.TRAINING["base"])
def test_every_view_is_what_a_model_takes(pixels, view):
    found = views.render(pixels, view, SHA)

    assert found.shape == (image.SIZE, image.SIZE, 3)
    assert found.dtype == np.uint8


def test_turning_leaves_no_empty_corner():
    white = np.full((image.SIZE, image.SIZE, 3), 255, np.uint8)
    from PIL import Image

    turned = np.asarray(views._turned(Image.fromarray(white), 25))

    assert turned.min() == 255


def test_turning_keeps_the_middle_in_the_middle():
    from PIL import Image

    dot = np.zeros((image.SIZE, image.SIZE, 3), np.uint8)
    dot[104:120, 104:120] = 255

    turned = np.asarray(views._turned(Image.fromarray(dot), 17))[..., 0]

    rows, columns = np.nonzero(turned > 128)
    assert (rows.mean(), columns.mean()) == pytest.approx((111.5, 111.5), abs=1)
