import numpy as np
import pytest
from PIL import Image

from strop_edge import image
from tests.unit.trainer import lab
from trainer import views

SHA = "1f" * 32
ALL = {view for each in views.TRAINING.values() for view in each}


@pytest.fixture
def picture():
    return image.decode(lab.picture("square", 1))


def test_the_plain_view_is_what_a_device_sees(picture):
    assert (views.render(picture, views.PLAIN, SHA) == image.prepare(picture)).all()


def test_the_mirrored_view_swaps_left_and_right(picture):
    assert (views.render(picture, views.MIRRORED, SHA) == image.prepare(picture)[:, ::-1]).all()


@pytest.mark.parametrize("view", sorted(ALL - {views.PLAIN, views.MIRRORED}))
def test_a_changed_view_is_always_the_same_for_an_image_and_another_for_another(picture, view):
    once, again = (views.render(picture, view, SHA) for _ in range(2))

    assert (once == again).all()
    assert (once != views.render(picture, view, "2e" * 32)).any()


def test_views_of_one_kind_differ_by_their_number(picture):
    seen = [views.render(picture, view, SHA).tobytes() for view in views.TRAINING["base"]]

    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("view", sorted(ALL))
@pytest.mark.parametrize("size", [(640, 480), (300, 900), (224, 224)])
def test_every_view_is_what_a_model_takes(view, size):
    found = views.render(Image.new("RGB", size, "white"), view, SHA)

    assert found.shape == (image.STANDARD.size, image.STANDARD.size, 3)
    assert found.dtype == np.uint8


def test_a_moved_view_has_no_empty_corner():
    white = Image.new("RGB", (300, 400), "white")

    darkest = min(int(views.render(white, "moved-1", f"{seed:064x}").min()) for seed in range(40))

    assert darkest >= int(255 * 0.8 * 0.95) - 1  # the darkest light that a view may have, and nothing else


def test_turning_leaves_no_empty_corner():
    white = np.full((image.STANDARD.size, image.STANDARD.size, 3), 255, np.uint8)
    turned = np.asarray(views._turned(Image.fromarray(white), 25))

    assert turned.min() == 255


def test_turning_keeps_the_middle_in_the_middle():
    dot = np.zeros((image.STANDARD.size, image.STANDARD.size, 3), np.uint8)
    dot[104:120, 104:120] = 255

    turned = np.asarray(views._turned(Image.fromarray(dot), 17))[..., 0]

    rows, columns = np.nonzero(turned > 128)
    assert (rows.mean(), columns.mean()) == pytest.approx((111.5, 111.5), abs=1)
