"""Is it an image that can be used?"""

import io
import struct
import zlib

import pytest
from PIL import Image

from ingest import image_store
from strop_image import decoder
from tests import factories

FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}


@pytest.mark.parametrize(("kind", "name"), FORMATS.items())
def test_each_format_is_accepted_with_its_size(kind: str, name: str) -> None:
    body = factories.picture(1, (40, 30), name)

    assert image_store.check(body, kind) == image_store.Checked(kind, 40, 30)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_every_kind_of_pixel_is_accepted(mode: str) -> None:
    body = io.BytesIO()
    Image.new(mode, (5, 4)).save(body, "PNG")

    assert image_store.check(body.getvalue()).width == 5


def test_the_announced_type_must_be_the_true_one() -> None:
    with pytest.raises(decoder.BadImage, match="image/png, announced as image/jpeg"):
        image_store.check(factories.picture(1, image_format="PNG"), "image/jpeg")


@pytest.mark.parametrize("body", [b"", b"%PDF-1.7", b"GIF89a" + b"\0" * 100, b"<svg/>", b"RIFF\0\0\0\0WAVE"])
def test_other_files_are_refused(body: bytes) -> None:
    with pytest.raises(decoder.BadImage, match="neither JPEG, PNG nor WebP"):
        image_store.check(body)


@pytest.mark.parametrize("name", FORMATS.values())
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_refused(name: str, share: float) -> None:
    body = factories.picture(1, (200, 150), name)

    with pytest.raises(decoder.BadImage, match="cannot be decoded"):
        image_store.check(body[: int(len(body) * share)])


def test_damaged_pixels_are_refused() -> None:
    body = bytearray(factories.picture(1, (200, 150), "PNG"))
    body[len(body) // 2] ^= 1

    with pytest.raises(decoder.BadImage):
        image_store.check(bytes(body))


def bomb(width: int, height: int) -> bytes:
    """A PNG that claims many pixels and holds hardly any bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(10_000, 5_001), (1, 50_000_001), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_a_decompression_bomb_is_refused_before_it_unfolds(size: tuple[int, int]) -> None:
    with pytest.raises(decoder.BadImage, match=r"limit of 50000000 pixels|cannot be decoded"):
        image_store.check(bomb(*size))


def test_the_largest_allowed_image_is_decoded() -> None:
    body = io.BytesIO()
    Image.new("1", (10_000, 5_000)).save(body, "PNG")

    assert image_store.check(body.getvalue()) == image_store.Checked("image/png", 10_000, 5_000)


@pytest.mark.parametrize("name", ["PNG", "WEBP"])
def test_an_animation_is_accepted_for_its_first_frame(name: str) -> None:
    body = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(body, name, save_all=True, append_images=frames[1:])

    assert (image_store.check(body.getvalue()).width, image_store.check(body.getvalue()).height) == (8, 8)


@pytest.mark.parametrize("name", FORMATS.values())
def test_what_follows_the_image_is_ignored(name: str) -> None:
    """As phones append films; and a file that is an archive too does no harm."""
    body = factories.picture(1, (40, 30), name) + b"PK\x03\x04" + b"\0" * 1000

    assert image_store.check(body).width == 40


def test_a_photo_with_a_second_picture_inside_is_accepted() -> None:
    body = io.BytesIO()
    first, second = (Image.new("RGB", (16, 8), colour) for colour in ("red", "blue"))
    first.save(body, "MPO", save_all=True, append_images=[second])

    assert image_store.check(body.getvalue(), "image/jpeg") == image_store.Checked("image/jpeg", 16, 8)
