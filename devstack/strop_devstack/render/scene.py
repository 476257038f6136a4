"""The line and the camera: belt, light, shadow, and what the lens and the sensor do; each drifts from factory to field.

`drift` is 0 in the factory and 1 in the field.
"""

import numpy as np
from PIL import Image, ImageFilter

from strop_devstack.render.canvas import Array, Frame, rgb

WIDTH, HEIGHT = 320, 240

_BELTS = {
    "factory": [rgb(0.33, 0.35, 0.38), rgb(0.27, 0.30, 0.34)],
    "field": [rgb(0.20, 0.36, 0.26), rgb(0.42, 0.31, 0.21), rgb(0.52, 0.50, 0.46), rgb(0.16, 0.15, 0.15)],
}
_STAIN = rgb(0.10, 0.08, 0.06)
_DARK = rgb(0.03, 0.03, 0.04)


def belt(rng: np.random.Generator, drift: float) -> Array:
    """The empty line: a wall, two rails, the belt with its weave, seams and stains."""
    kinds = _BELTS["field" if rng.random() < drift else "factory"]
    horizon = rng.uniform(38, 56) + drift * rng.uniform(-20, 25)
    x, y = np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32)[:, None]
    seam = np.mod(x + y * 0.35 + rng.uniform(0, 200), rng.uniform(90, 180)) < 2.5
    grain = 0.03 * np.sin(x * 1.3) * np.sin(y * 1.7) + (0.05 / HEIGHT) * (y - 120) - 0.06 * seam
    picture: Array = kinds[rng.integers(len(kinds))] + grain.astype(np.float32)
    _stain(picture, rng, drift)
    wall = rgb(0.62, 0.65, 0.68) * (1 - 0.45 * drift * rng.random())
    picture[:, : int(horizon)] = wall * (0.75 + 0.25 * y[: int(horizon)] / horizon)
    for row, thick in ((horizon, 7.0), (HEIGHT - rng.uniform(4, 14), 20.0)):
        part = slice(max(0, int(row - thick / 2)), int(row + thick / 2) + 1)
        picture[:, part] = 0.5 + 0.2 * np.cos((y[part] - row) * (3 / thick))
    return picture


def _stain(picture: Array, rng: np.random.Generator, drift: float) -> None:
    for _ in range(rng.poisson(1 + 5 * drift)):
        size = rng.uniform(6, 34)
        frame = Frame(picture, (rng.uniform(0, WIDTH), rng.uniform(60, 230)), size * 1.5)
        spot = frame.ellipse(0, 0, size, size * rng.uniform(0.3, 0.6), size / 2)
        frame.paint(_STAIN, spot * rng.uniform(0.1, 0.35))


def shadow(picture: Array, foot: tuple[float, float], wide: float, side: float) -> None:
    """Darken the belt where an object of half width `wide` stands on it; the lamp is on the other side."""
    frame = Frame(picture, foot, wide * 2.3)
    cast = frame.ellipse(-0.5 * side * wide, 0, wide * 1.35, wide * 0.48, wide * 0.4)
    frame.paint(_DARK, np.maximum(cast * 0.4, frame.ellipse(0, 0, wide, wide * 0.3, 5) * 0.5))


def photograph(picture: Array, rng: np.random.Generator, drift: float) -> Image.Image:
    """Light falls, the lens blurs, the camera leans, the sensor adds noise; 8 bits remain."""
    lit = (picture * _lamp(rng, drift)).clip(0, 1) * 255
    image = Image.fromarray(np.ascontiguousarray(lit.astype(np.uint8).transpose(1, 2, 0)))
    smear = drift * max(0.0, rng.normal(1.2, 1.2))
    image = image.filter(ImageFilter.BoxBlur((0.25 + smear, 0.25 + drift * rng.uniform(0, 0.9))))
    image = _lean(image, rng, drift)
    noise = rng.standard_normal((HEIGHT, WIDTH, 1), np.float32) * np.float32(1.5 + drift * rng.uniform(2, 8))
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))


def _lamp(rng: np.random.Generator, drift: float) -> Array:
    """Brightness and colour over the picture: even and white, or low, warm and from one corner."""
    level, warm = rng.uniform(0.95, 1.10) * (1 - drift * rng.uniform(0.20, 0.55)), drift * rng.uniform(0.05, 0.32)
    at, dim = rng.uniform(-0.8, 0.8, 2).astype(np.float32), 0.05 + 0.30 * drift * rng.random()
    across, down = (np.linspace(-1, 1, n, dtype=np.float32) - a for n, a in zip((WIDTH, HEIGHT), at, strict=True))
    fall = level * np.maximum(0.15, 1 - dim * (across**2 + down[:, None] ** 2))
    return np.asarray(rgb(1 + 0.6 * warm, 1, 1 - warm) * fall)


def _lean(image: Image.Image, rng: np.random.Generator, drift: float) -> Image.Image:
    """Look through a camera that is not where it was: turned, and nearer or further on one side."""
    size = np.array([WIDTH, HEIGHT])
    corners = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]]) * size / 2
    angle = np.radians(rng.normal(0, 1 + 6 * drift))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    seen = corners @ turn * (1 - 0.10 * drift) + rng.uniform(-0.05, 0.05, (4, 2)) * drift * size
    quad = tuple((seen + size / 2).clip(0, size).ravel().tolist())
    return image.transform(image.size, Image.Transform.QUAD, quad, Image.Resampling.BILINEAR)
