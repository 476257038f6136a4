"""Rekognition's limits of an image."""

import pytest

from custom_labels import image_rules
from strop_image import header
from tests import factories


@pytest.mark.parametrize(("name", "kind"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("MPO", "image/jpeg")])
@pytest.mark.parametrize("size", [(64, 64), (64, 1280), (300, 200)])
def test_an_image_within_the_limits_is_accepted(name: str, kind: str, size: tuple[int, int]) -> None:
    assert image_rules.check(factories.picture(1, size, name)) == header.Header(kind, *size)


@pytest.mark.parametrize("size", [(63, 64), (64, 63), (4097, 64), (64, 4097)])
def test_a_side_out_of_limits_is_a_matter_of_dimensions(size: tuple[int, int]) -> None:
    with pytest.raises(image_rules.BadImage) as caught:
        image_rules.check(factories.picture(1, size))
    assert caught.value.code == "ERROR_INVALID_IMAGE_DIMENSION"


def refused(body: bytes) -> str:
    with pytest.raises(image_rules.BadImage) as caught:
        image_rules.check(body)
    assert caught.value.code == "ERROR_INVALID_IMAGE"
    return str(caught.value)


def test_a_strip_is_too_long() -> None:
    assert "20:1" in refused(factories.picture(1, (1281, 64)))


@pytest.mark.parametrize("name", ["WEBP", "GIF", "BMP"])
def test_other_formats_are_refused(name: str) -> None:
    assert "neither JPEG nor PNG" in refused(factories.picture(1, (100, 100), name))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_refused(share: float) -> None:
    body = factories.picture(1, (200, 150))

    assert "cannot be decoded" in refused(body[: int(len(body) * share)])


def test_a_file_of_too_many_bytes_is_refused() -> None:
    assert "larger than 15,728,640 bytes" in refused(factories.picture(1, (64, 64)) + b"\0" * image_rules.MAX_BYTES)
