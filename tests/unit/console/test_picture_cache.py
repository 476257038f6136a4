import io

import pytest
from PIL import Image

from console import picture_cache
from strop_contracts import errors
from tests import factories


def opened(body: bytes) -> Image.Image:
    return Image.open(io.BytesIO(body))


def test_a_thumbnail_is_a_small_jpeg_of_the_same_shape() -> None:
    small = opened(picture_cache.small(factories.picture(size=(1000, 500))))

    assert small.format == "JPEG"
    assert small.size == (320, 160)


def test_a_thumbnail_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    body = io.BytesIO()
    opened(factories.picture(size=(100, 50))).save(body, "JPEG", exif=exif)

    assert opened(picture_cache.small(body.getvalue())).size == (50, 100)


def test_an_image_that_fits_is_sent_as_it_is() -> None:
    body = factories.picture(size=(64, 64), image_format="PNG")

    assert picture_cache.prepare(body) == picture_cache.Prepared(body)


def test_an_image_that_does_not_fit_is_made_to() -> None:
    prepared = picture_cache.prepare(factories.picture(size=(5000, 1000), image_format="WEBP"))

    assert prepared.changed == "sent as a JPEG of 2048 by 410 pixels"
    assert opened(prepared.body).format == "JPEG"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"no image", "choose a JPEG or PNG"),
        (factories.picture()[:300], "choose a JPEG or PNG"),
        (factories.picture(size=(63, 100)), "too small"),
        (factories.picture(size=(5000, 100)), "too narrow"),
    ],
)
def test_what_is_no_image_is_refused_with_what_to_do(body: bytes, reason: str) -> None:
    with pytest.raises(errors.Refused, match=reason):
        picture_cache.prepare(body)
