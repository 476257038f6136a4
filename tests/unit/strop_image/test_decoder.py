from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from strop_image import decoder, header
from strop_wire import messages
from tests.unit.strop_image import kinds


def test_sixteen_bits_of_grey_keep_visible_differences() -> None:
    values = np.linspace(0, 255, kinds.WIDTH * kinds.HEIGHT).astype(np.uint8).reshape(kinds.HEIGHT, kinds.WIDTH)

    seen = np.asarray(decoder.decode(kinds.deep(values, 0)))

    assert np.array_equal(seen[..., 0], values)


def test_what_cannot_be_seen_is_white() -> None:
    seen = decoder.decode(kinds.encoded(Image.new("RGBA", (4, 3), (10, 20, 30, 0))))

    assert seen.getcolors() == [(12, decoder.BACKGROUND)]


@pytest.mark.parametrize("depth", [1, 2, 4, 16])
def test_a_transparent_colour_of_another_depth_is_left_alone(depth: int) -> None:
    row = bytes(-(-kinds.WIDTH * depth // 8))
    data = kinds.with_chunk(kinds.png(depth, 0, [row] * kinds.HEIGHT), kinds.chunk(b"tRNS", b"\0\0"))

    assert decoder.decode(data).getpixel((0, 0)) == (0, 0, 0)


def test_the_limit_of_bytes_is_named() -> None:
    with pytest.raises(decoder.BadImage, match="larger than 20,971,520 bytes"):
        decoder.decode(kinds.BAD["too many bytes"])


def test_a_file_is_read_up_to_the_limit_and_refused_beyond_it(tmp_path: Path) -> None:
    file = tmp_path / "image"
    file.write_bytes(bytes(messages.MAX_IMAGE_BYTES))
    assert len(decoder.read(file)) == messages.MAX_IMAGE_BYTES

    with file.open("ab") as opened:
        opened.truncate(10 * messages.MAX_IMAGE_BYTES)

    with pytest.raises(decoder.BadImage, match="larger than"):
        decoder.read(file)


def test_a_large_jpeg_is_scaled_to_the_side_that_is_asked_for() -> None:
    data = kinds.encoded(kinds.scene().resize((4000, 3000)), "JPEG")

    assert decoder.SHORT_SIDE <= min(decoder.decode(data).size) < 2 * decoder.SHORT_SIDE
    assert 1000 <= min(decoder.decode(data, 1000).size) < 2000
    assert header.read(data) == header.Header("image/jpeg", 4000, 3000)
