import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from strop_edge import image
from strop_wire import messages
from tests.unit.edge import packages

FORMS = ("JPEG", "PNG", "WEBP")


def scene(width: int, height: int, seed: int = 3) -> Image.Image:
    """Soft blobs of colour: something with structure that survives compression."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_becomes_pixels(form: str) -> None:
    data = packages.encoded(scene(640, 480), form)

    pixels = image.load(data)

    assert pixels.shape == (224, 224, 3)
    assert pixels.dtype == np.uint8
    assert image.content_type(data) == f"image/{form.lower()}"


@pytest.mark.parametrize("size", [(640, 480), (300, 1000), (256, 256), (100, 80)])
def test_pixels_are_those_of_scaling_the_short_side_and_cropping_the_middle(size: tuple[int, int]) -> None:
    picture = scene(*size)
    scale = 256 / min(size)
    whole = picture.resize((round(size[0] * scale), round(size[1] * scale)), Image.Resampling.BICUBIC)
    left, top = (whole.width - 224) / 2, (whole.height - 224) / 2
    plain = np.asarray(whole.crop((round(left), round(top), round(left) + 224, round(top) + 224)), dtype=np.int16)

    off = np.abs(image.prepare(picture) - plain)

    assert off.mean() < 1.0
    assert off.max() < 16


@pytest.mark.parametrize("size", [(1, 1), (1, 40_000), (40_000, 1), (3, 7)])
def test_odd_shapes_are_prepared_without_growing_into_giants(size: tuple[int, int]) -> None:
    assert image.prepare(Image.new("RGB", size)).shape == (224, 224, 3)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "I;16", "1"])
def test_every_colour_mode_becomes_rgb(mode: str) -> None:
    assert image.load(packages.encoded(Image.new(mode, (300, 300)), "PNG")).shape == (224, 224, 3)


def test_print_colours_become_rgb() -> None:
    assert image.load(packages.encoded(Image.new("CMYK", (300, 300)), "JPEG")).shape == (224, 224, 3)


def test_an_image_on_its_side_is_turned_upright() -> None:
    upright = scene(300, 260)
    exif = Image.Exif()
    exif[0x0112] = 6  # as shown, it must be turned clockwise
    lying = packages.encoded(upright.transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif)

    assert np.array_equal(image.load(lying), image.prepare(upright))


def test_garbage_in_exif_does_not_cost_the_image() -> None:
    assert image.load(packages.encoded(scene(300, 260), exif=b"Exif\0\0garbage")).shape == (224, 224, 3)


def test_a_large_jpeg_is_scaled_while_decoding_but_never_below_what_is_needed() -> None:
    decoded = image.decode(packages.encoded(scene(4000, 3000)))

    assert image.STANDARD.resize <= min(decoded.size) < 2 * image.STANDARD.resize


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_truncated_image_is_refused(form: str, share: float) -> None:
    data = packages.encoded(scene(400, 300), form)

    with pytest.raises(image.BadImage, match="cannot be decoded"):
        image.load(data[: int(len(data) * share)])


@pytest.mark.parametrize("data", [b"", b"hello", b"GIF89a" + b"\0" * 100, b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(image.BadImage):
        image.load(data)


def test_a_bomb_is_refused_by_its_header() -> None:
    for side in (8_000, 60_000):  # over our limit, and over Pillow's own
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
        with pytest.raises(image.BadImage):
            image.load(b"\x89PNG\r\n\x1a\n" + chunk)


def test_too_many_bytes_are_refused() -> None:
    with pytest.raises(image.BadImage, match="larger than 20,971,520 bytes"):
        image.load(packages.RED + b"\0" * messages.MAX_IMAGE_BYTES)


@settings(deadline=None)
@given(st.sampled_from(FORMS), st.data())
def test_damaged_bytes_give_pixels_or_bad_image_and_nothing_else(form: str, data: st.DataObject) -> None:
    good = bytearray(DAMAGED[form])
    for _ in range(data.draw(st.integers(1, 8))):
        good[data.draw(st.integers(4, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        pixels = image.load(bytes(good))
    except image.BadImage:
        return
    assert pixels.shape == (224, 224, 3)


DAMAGED = {form: packages.encoded(scene(60, 40), form) for form in FORMS}


def test_dhash_hardly_changes_with_size_and_quality_but_does_with_content() -> None:
    first = image.dhash(scene(640, 480))
    again = image.dhash(image.decode(packages.encoded(scene(320, 240), quality=40)))
    other = image.dhash(scene(640, 480, seed=4))

    assert len(first) == 16
    assert distance(first, again) <= 4
    assert distance(first, other) >= 16


def distance(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def test_sha256_is_of_the_bytes() -> None:
    assert image.sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
