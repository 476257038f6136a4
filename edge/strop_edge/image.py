"""From the bytes of an image to the pixels a model sees.

The trainer and the hosts of models prepare their images with these very functions, so a model never meets pixels that
were made in another way. What can be decoded, and how, is `strop_image.decoder`'s. Sizes are pixels; arrays are uint8,
RGB, height first.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from strop_image import decoder

Pixels = NDArray[np.uint8]

BadImage = decoder.BadImage
content_type = decoder.content_type
decode = decoder.decode

SIZE = 224
"""What the model sees: the middle SIZE x SIZE of an image whose short side was scaled to RESIZE."""
RESIZE = decoder.SHORT_SIDE


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
    """Decode and prepare in one go; BadImage when that cannot be."""
    return prepare(decode(data))


def dhash(image: Image.Image) -> str:
    """Difference hash: is each of 8 x 8 cells brighter than its left neighbour? 64 bits as 16 hexadecimal digits."""
    grey = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    return np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes().hex()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
