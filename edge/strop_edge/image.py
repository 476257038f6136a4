"""From the bytes of an image to the array that a model takes.

The trainer and the hosts of models prepare images with this module too, so a model gets the same values everywhere.
Decoding is `strop_image.decoder`'s. Sizes are pixels; arrays of pixels are uint8, RGB, height first.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from strop_image import decoder
from strop_wire import fields

Pixels = NDArray[np.uint8]

BadImage = decoder.BadImage
content_type = decoder.content_type
decode = decoder.decode

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
LAYOUTS = ("nhwc", "nchw")
_LARGEST = 1024
_CHANNELS = 3


@dataclass(frozen=True, slots=True)
class Input:
    """The images that a model takes: `input` in its model.json.

    The short side is scaled to `resize` pixels with `filter`, and the middle `size` x `size` is cropped. Without `mean` and
    `std` the model takes uint8. With them it takes float32: (value / 255 - mean) / std, by channel.
    """

    size: int
    resize: int
    filter: str = "bicubic"
    layout: str = "nhwc"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """Parse `input`; Malformed with the reason. An unknown key is refused: ignoring it could change every value."""
        found = {"filter": "bicubic", "layout": "nhwc", "mean": [], "std": [], **data}
        if unknown := sorted(found.keys() - set(cls.__slots__)):
            raise fields.Malformed(f"input: this version cannot apply {', '.join(unknown)}")
        size = fields.whole(found, "size", 16, _LARGEST)
        mean, std = _channels(found, "mean", -1e3, 1e3), _channels(found, "std", 1e-6, 1e3)
        if bool(mean) != bool(std):
            raise fields.Malformed("input: expected both mean and std, or neither")
        return cls(
            size,
            fields.whole(found, "resize", size, 4 * _LARGEST),
            fields.choice(found, "filter", tuple(FILTERS)),
            fields.choice(found, "layout", LAYOUTS),
            mean,
            std,
        )

    def tensor(self, pixels: Pixels) -> NDArray[Any]:
        """Convert prepared images [N, size, size, 3] to the array that the model's first graph takes."""
        values: NDArray[Any] = pixels
        if self.std:
            scale, offset = 1 / (255 * np.asarray(self.std)), np.asarray(self.mean) / np.asarray(self.std)
            values = pixels * scale.astype(np.float32) - offset.astype(np.float32)
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2)) if self.layout == "nchw" else values


STANDARD = Input(224, decoder.SHORT_SIDE)
"""The input of Strop's own backbones, which scale the values themselves."""


def _channels(data: Mapping[str, Any], name: str, low: float, high: float) -> tuple[float, ...]:
    values = data[name]
    if not isinstance(values, list | tuple) or len(values) not in {0, _CHANNELS}:
        raise fields.Malformed(f"input: expected {_CHANNELS} numbers in {name}")
    return tuple(fields.number({name: value}, name, low, high) for value in values)


def prepare(image: Image.Image, wanted: Input = STANDARD) -> Pixels:
    """Scale and crop an upright RGB image: (size, size, 3).

    Only the part that is kept is scaled: the same pixels as scaling first and cropping then, without the large
    intermediate image that 1 x 50,000 pixels would give.
    """
    side = min(image.size) * wanted.size / wanted.resize
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    scaled = image.resize((wanted.size, wanted.size), FILTERS[wanted.filter], box=box)
    return np.asarray(scaled, dtype=np.uint8)


def load(data: bytes, wanted: Input = STANDARD) -> Pixels:
    """Decode and prepare; BadImage with the reason."""
    return prepare(decode(data, wanted.resize), wanted)


def dhash(image: Image.Image) -> str:
    """Return the difference hash: 64 bits, whether each of 8 x 8 cells is brighter than its left neighbour, in hexadecimal."""
    grey = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    return np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes().hex()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
