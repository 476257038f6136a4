import io
import struct
import time

import pytest
from PIL import Image

from strop_image import decoder, header
from tests import bombs
from tests.unit.strop_image import kinds

PERIOD = b"\xff\xfe\x00\x04\xff\xd9"
"""A comment that consists of the bytes which end an image."""


@pytest.mark.parametrize("kind", kinds.GOOD)
def test_the_size_is_the_one_that_pillow_reads(kind: str) -> None:
    data, _ = kinds.GOOD[kind]

    found = header.read(data)

    assert (found.width, found.height) == decoder._READERS[found.content_type](io.BytesIO(data)).size


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_the_size_of_each_kind_of_webp_is_read(mode: str, lossless: bool) -> None:
    data = kinds.encoded(Image.new(mode, (301, 17)), "WEBP", lossless=lossless)

    assert header.read(data) == header.Header("image/webp", 301, 17)


def test_as_many_scans_as_allowed_are_accepted() -> None:
    assert header.read(bombs.scans(header.MAX_SCANS, (64, 48))) == header.Header("image/jpeg", 64, 48)


@pytest.mark.parametrize("between", [b"", PERIOD, b"\xff", b"\x00\xff\xd0", b"\xff\x01"])
def test_too_many_scans_are_refused_whatever_lies_between_them(between: bytes) -> None:
    with pytest.raises(header.BadImage, match="has more than 32 scans"):
        header.read(bombs.scans(header.MAX_SCANS + 1, (64, 48), between=between))


def test_scans_in_metadata_and_behind_the_image_do_not_count() -> None:
    plain = bombs.scans(10, (64, 48))
    fakes = bombs.MARKER_SCAN * 40
    comment = b"\xff\xfe" + struct.pack(">H", 2 + len(fakes)) + fakes
    data = bombs.scans(11, (64, 48), between=comment) + fakes + plain * 5

    assert header.read(data) == header.Header("image/jpeg", 64, 48)


@pytest.mark.parametrize("bomb", [bombs.segments(), bombs.chunks(), bombs.frames()], ids=["JPEG", "PNG", "WebP"])
def test_too_many_parts_are_refused(bomb: bytes) -> None:
    with pytest.raises(header.BadImage, match="consists of more than 65536 parts"):
        header.read(bomb)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8\xff" + bytes(20 * 2**20),
        b"\xff\xd8" + b"\xff" * 20 * 2**20,
        b"\xff\xd8" + b"\xff\xfe\x00\x02" * 5 * 2**20,
        b"\x89PNG\r\n\x1a\n" + bytes(20 * 2**20),
        b"RIFF\xff\xff\xff\xffWEBP" + bytes(20 * 2**20),
        bombs.scans(40, (64, 48), between=b"\xff\x02") + b"\xff\x00" * 10 * 2**20,
    ],
    ids=["no segments", "fill bytes", "comments", "no chunks", "no WebP", "entropy"],
)
def test_the_worst_header_is_read_in_less_than_a_second(data: bytes) -> None:
    began = time.thread_time()

    with pytest.raises(header.BadImage):
        header.read(data)

    assert time.thread_time() - began < 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP"])
def test_a_header_that_is_cut_off_is_refused(kind: str) -> None:
    data, _ = kinds.GOOD[kind]

    for length in range(12, 24):
        with pytest.raises(header.BadImage, match="cannot be decoded"):
            header.read(data[:length])
