"""From the bytes of an image to the pixels a model sees.

The trainer prepares its images with these very functions, so a model never meets pixels on a device that were made in
another way. Sizes are pixels; arrays are uint8, RGB, height first.
"""

import hashlib
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from strop_wire import messages

Pixels = NDArray[np.uint8]

SIZE = 224
"""What the model sees: the middle SIZE x SIZE of an image whose short side was scaled to RESIZE."""
RESIZE = 256
MAX_PIXELS = 50_000_000


class BadImage(ValueError):
    """These bytes are not an image that can be used."""


def content_type(data: bytes) -> str:
    """Tell JPEG, PNG and WebP by their first bytes; names and headers may lie."""
    if data[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    raise BadImage("neither JPEG, PNG nor WebP")


def decode(data: bytes) -> Image.Image:
    """Decode fully and turn upright. A large JPEG comes scaled down, its short side still at least RESIZE."""
    content_type(data)
    if len(data) > messages.MAX_IMAGE_BYTES:
        raise BadImage(f"{len(data)} bytes are over the limit of {messages.MAX_IMAGE_BYTES}")
    try:
        return _decode(data)
    except BadImage:
        raise
    except Exception as error:  # decoders fed with hostile bytes raise nearly every kind
        raise BadImage(f"cannot be decoded: {error}") from error


def _decode(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as image:
        if image.width * image.height > MAX_PIXELS:
            raise BadImage(f"{image.width} x {image.height} is over the limit of {MAX_PIXELS} pixels")
        image.draft("RGB", (RESIZE, RESIZE))
        image.load()
        return ImageOps.exif_transpose(image).convert("RGB")


def prepare(image: Image.Image) -> Pixels:
    """Scale and crop an upright RGB image for the model: (SIZE, SIZE, 3).

    Only the part that is kept gets scaled: the same pixels as scaling first and cropping then, without the giant that
    would make of an image of 1 x 50,000.
    """
    side = min(image.size) * SIZE / RESIZE
    left, top = (image.width - side) / 2, (image.height - side) / 2
    scaled = image.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
    return np.asarray(scaled, dtype=np.uint8)


def load(data: bytes) -> Pixels:
    """Decode and prepare in one go."""
    return prepare(decode(data))


def dhash(image: Image.Image) -> str:
    """Difference hash: is each of 8 x 8 cells brighter than its left neighbour? 64 bits as 16 hexadecimal digits."""
    grey = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    return np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes().hex()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
