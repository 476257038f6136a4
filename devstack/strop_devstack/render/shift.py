"""A field camera for photographs of good conditions: what a worn, badly lit, moving camera makes of them.

Deterministic: the picture's own bytes and `seed` decide everything.
"""

import hashlib
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from strop_image import decoder

QUALITY = 35
_LARGEST = 65_535  # pixels of a side: nothing is scaled down while it is decoded
_REFERENCE = 320.0  # pixels of the width that lengths below are meant for


def field(jpeg: bytes, seed: int, strength: float = 1.0) -> bytes:
    """Return the picture as JPEG, as the field camera sees it. At strength 0 it is only compressed."""
    digest = hashlib.sha256(jpeg).digest()
    rng = np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])
    picture = decoder.decode(jpeg, _LARGEST)
    picture = _pose(picture, rng, strength)
    picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.8, 2.2) * strength * picture.width / _REFERENCE))
    picture = Image.fromarray(_expose(np.asarray(picture, np.float32), rng, strength))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def _pose(picture: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """Turn by a few degrees, come closer, and look from another side. What is cut out lies inside the picture."""
    size = np.array(picture.size)
    corners = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]]) * size / 2  # the order of Pillow's quadrilateral
    angle = np.radians(rng.uniform(-12, 12) * strength)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    nearer = 1 - 0.2 * strength
    seen = corners @ turn * nearer + rng.uniform(-0.07, 0.07, (4, 2)) * strength * size
    quad = tuple((seen + size / 2).clip(0, size).ravel().tolist())
    return picture.transform(picture.size, Image.Transform.QUAD, quad, Image.Resampling.BICUBIC)


def _expose(rgb: NDArray[np.float32], rng: np.random.Generator, strength: float) -> NDArray[np.uint8]:
    """Darken, tint by warm or cold light, and add the noise of a sensor short of light. Values 0 to 255."""
    light = 1 - strength * rng.uniform(0.35, 0.60)
    warmth = strength * rng.uniform(-0.12, 0.25)
    cast = np.array([1 + warmth, 1 + strength * rng.uniform(-0.05, 0.05), 1 - warmth])
    noise = rng.normal(0, 1, rgb.shape) * strength * rng.uniform(4, 11)
    return (rgb * (light * cast) + noise).clip(0, 255).astype(np.uint8)
