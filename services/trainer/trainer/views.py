"""Views of an image for training: as it is, mirrored, and as a worse camera would have seen it.

The head learns from features of all of them; the backbone stays as it is. Which views pay for their seconds was
measured (README, "Views"). A view of an image is always the same pixels: the image's hash seeds it.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from strop_edge import image

PLAIN, MIRRORED, DEGRADED = "plain", "mirrored", "degraded"
TRAINING = {"base": (PLAIN, MIRRORED, DEGRADED), "field": (PLAIN, MIRRORED)}
"""By origin. Field images are as bad as the field is; degrading them further did not help."""

HOSTED = {"base": (PLAIN,), "field": (PLAIN,)}
"""Of a hosted model, whose images come as those it learned from: mirroring gained nothing (README, "Backbones")."""

_TURN = 25.0  # degrees to either side


def render(pixels: image.Pixels, view: str, sha256: str) -> image.Pixels:
    """Return a view of a prepared image, in the same shape."""
    if view == PLAIN:
        return pixels
    mirrored = np.ascontiguousarray(pixels[:, ::-1])
    return mirrored if view == MIRRORED else _degraded(mirrored, np.random.default_rng(int(sha256[:16], 16)))


def _degraded(pixels: image.Pixels, random: np.random.Generator) -> image.Pixels:
    """Turned and nearer, blurred, mostly darker, tinted, noisy and compressed."""
    picture = _turned(Image.fromarray(pixels), random.uniform(-_TURN, _TURN))
    picture = picture.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 2.3)))
    light = random.uniform(0.35, 1.1) * random.uniform(0.85, 1.15, 3).astype(np.float32)
    noise = random.standard_normal(pixels.shape, np.float32) * np.float32(random.uniform(2, 16))
    values: NDArray[np.float32] = np.asarray(picture, np.float32) * light + noise
    return _compressed(Image.fromarray(values.clip(0, 255).astype(np.uint8)), int(random.integers(30, 75)))


def _turned(picture: Image.Image, degrees: float) -> Image.Image:
    """Turn about the middle, and come so near that no corner is empty."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    near = 1 / (abs(cos) + abs(sin))
    a, b, middle = float(cos * near), float(sin * near), image.SIZE / 2
    matrix = (a, b, middle * (1 - a - b), -b, a, middle * (1 + b - a))
    return picture.transform(picture.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


def _compressed(picture: Image.Image, quality: int) -> image.Pixels:
    body = io.BytesIO()
    picture.save(body, "JPEG", quality=quality)
    with Image.open(body) as opened:
        return np.asarray(opened, np.uint8)
