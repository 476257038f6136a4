"""Views of an image for training: as it is, mirrored, moved a little, and as a worse camera would record it.

The head learns from the features of all of them; the backbone stays as it is. Which views pay for their seconds was
measured (README, "Views"). A view of an image is always the same pixels: the image's hash and the view's name seed it.
"""

import hashlib
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from strop_edge import image

PLAIN, MIRRORED, DEGRADED = "plain", "mirrored", "degraded"
_MOVED, _BOTH = "moved", "moved-degraded"  # each with a number behind it
TRAINING = {
    "base": (PLAIN, MIRRORED, DEGRADED, f"{_MOVED}-1", *(f"{_BOTH}-{number}" for number in (1, 2, 3))),
    "field": (PLAIN, MIRRORED, *(f"{_MOVED}-{number}" for number in (1, 2, 3))),
}
"""By origin. Field images are as bad as the field is; degrading them further did not help."""

HOSTED = {"base": (PLAIN,), "field": (PLAIN,)}
"""Of a hosted model, whose images come as those it learned from: mirroring gained nothing (README, "Backbones")."""

_TURN = 25.0  # degrees to either side, degraded
_MOVED_TURN, _MOVED_SHIFT, _MOVED_NEAR = 14.0, 10.0, 0.72  # degrees, pixels, smallest part of the side that is seen


def render(picture: Image.Image, view: str, sha256: str) -> image.Pixels:
    """Return a view of a decoded image, as the model takes it."""
    if view == PLAIN:
        return image.prepare(picture)
    if view == MIRRORED:
        return _mirror(image.prepare(picture))
    random = np.random.default_rng(_seed(view, sha256))
    if view == DEGRADED:
        return _degraded(_mirror(image.prepare(picture)), random)
    moved = _moved(picture, random)
    return _degraded(moved, random) if view.startswith(_BOTH) else moved


def _seed(view: str, sha256: str) -> int:
    return int(hashlib.sha256(f"{view} {sha256}".encode()).hexdigest()[:16], 16)


def _mirror(pixels: image.Pixels) -> image.Pixels:
    return np.ascontiguousarray(pixels[:, ::-1])


def _moved(picture: Image.Image, random: np.random.Generator) -> image.Pixels:
    """Turned, shifted, nearer, perhaps mirrored, in slightly other light: another shot of the same thing."""
    side = min(picture.size)
    left, top = (picture.width - side) / 2, (picture.height - side) / 2
    size = (image.STANDARD.resize, image.STANDARD.resize)
    middle = picture.resize(size, Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
    turn, near = np.radians(random.uniform(-_MOVED_TURN, _MOVED_TURN)), random.uniform(_MOVED_NEAR, 1)
    shift = random.uniform(-_MOVED_SHIFT, _MOVED_SHIFT, 2)
    light = random.uniform(0.8, 1.2) * random.uniform(0.95, 1.05, 3).astype(np.float32)
    mirrored = random.random() < 0.5
    pixels = np.asarray(_cut(middle, turn, near, shift), np.float32) * light
    found = pixels.clip(0, 255).astype(np.uint8)
    return _mirror(found) if mirrored else found


def _cut(middle: Image.Image, turn: float, near: float, shift: NDArray[np.float64]) -> Image.Image:
    """Scale this part of the picture to the model's size. What lies outside of the picture is its reflection."""
    border = image.STANDARD.resize // 4
    padded = Image.fromarray(np.pad(np.asarray(middle), ((border, border), (border, border), (0, 0)), "reflect"))
    scale, centre = near * image.STANDARD.resize / image.STANDARD.size, padded.width / 2 + shift
    a, b, middle_out = scale * np.cos(turn), scale * np.sin(turn), image.STANDARD.size / 2
    x, y = centre[0] - (a + b) * middle_out, centre[1] - (a - b) * middle_out
    matrix = (float(a), float(b), float(x), float(-b), float(a), float(y))
    return padded.transform(
        (image.STANDARD.size, image.STANDARD.size), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
    )


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
    a, b, middle = float(cos * near), float(sin * near), image.STANDARD.size / 2
    matrix = (a, b, middle * (1 - a - b), -b, a, middle * (1 + b - a))
    return picture.transform(picture.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


def _compressed(picture: Image.Image, quality: int) -> image.Pixels:
    body = io.BytesIO()
    picture.save(body, "JPEG", quality=quality)
    with Image.open(body) as opened:
        return np.asarray(opened, np.uint8)
