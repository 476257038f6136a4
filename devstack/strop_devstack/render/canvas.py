"""Painting with arrays: a window around an object, soft-edged shapes in it, and bodies turned on a lathe.

A picture is a float32 array of RGB x rows x columns, 0 to 1, changed in place; a colour is one too, of 3 x 1 x 1.
An alpha is an array of rows x columns, 0 to 1.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


def rgb(red: float, green: float, blue: float) -> Array:
    return np.array([red, green, blue], np.float32)[:, None, None]


WHITE = rgb(1, 1, 1)


@dataclass(frozen=True)
class Light:
    """Where the lamp hangs: to the right (-1 to 1), the rest towards us; and how much light comes from everywhere."""

    right: float
    ambient: float

    @property
    def side(self) -> float:
        return 1.0 if self.right > 0 else -1.0

    def on(self, u: Array) -> Array:
        """Brightness across an upright cylinder; `u` runs from -1 at its left edge to 1."""
        towards = np.sqrt(np.maximum(0, 1 - u * u))
        faced = np.clip(u * self.right + towards * float(np.sqrt(1 - self.right**2)), 0, 1)
        return np.asarray(self.ambient + (1 - self.ambient) * faced)


class Frame:
    """The part of a picture around `centre` (column, row) up to `reach` pixels away, in an object's own axes.

    `x` runs to the object's right and `y` down its axis, in pixels from the centre; `angle` turns the object (radians).
    """

    def __init__(self, picture: Array, centre: tuple[float, float], reach: float, angle: float = 0.0) -> None:
        _, rows, columns = picture.shape
        left, right = (int(np.clip(centre[0] + d, 0, columns)) for d in (-reach, reach + 1))
        top, bottom = (int(np.clip(centre[1] + d, 0, rows)) for d in (-reach, reach + 1))
        self.view = picture[:, top:bottom, left:right]
        across = np.arange(left, right, dtype=np.float32) - np.float32(centre[0])
        down = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(centre[1])
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        self.x, self.y = across * cos + down * sin, down * cos - across * sin

    def paint(self, color: Array, alpha: Array) -> None:
        rows, columns = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
        if not rows.size:
            return
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        view = self.view[:, *part]
        view += (color[:, *part] - view if color.size > WHITE.size else color - view) * alpha[part]

    def lighten(self, amount: Array) -> None:
        """Add white light, as a reflection does."""
        self.view += amount

    def ellipse(self, x: float, y: float, a: float, b: float, soft: float = 1.0) -> Array:
        """Alpha of an ellipse with half axes `a` and `b`; its edge is `soft` pixels wide."""
        radius = np.sqrt(((self.x - x) / a) ** 2 + ((self.y - y) / b) ** 2)
        return np.clip((1 - radius) * (min(a, b) / soft) + 0.5, 0, 1)

    def ring(self, x: float, y: float, a: float, b: float, width: float) -> tuple[Array, Array]:
        """Alpha of a bent round bar along an ellipse, and the place across the bar, -1 inside to 1 outside."""
        radius = np.sqrt(((self.x - x) / a) ** 2 + ((self.y - y) / b) ** 2)
        across = (radius - 1) * (min(a, b) / (width / 2))
        return np.clip((1 - np.abs(across)) * (width / 2) + 0.5, 0, 1), np.clip(across, -1, 1)

    def box(self, left: float, top: float, right: float, bottom: float) -> Array:
        across = np.minimum(self.x - left, right - self.x)
        down = np.minimum(self.y - top, bottom - self.y)
        return np.clip(np.minimum(across, down) + 0.5, 0, 1)

    def blob(self, radius: float, lumps: list[tuple[float, float]], flat: float) -> Array:
        """Alpha of a round thing with lumps: (share of the radius, phase) of the 2nd, 3rd, … harmonic."""
        angle = np.arctan2(self.y, self.x)
        edge = radius * (1 + sum(share * np.cos(k * angle + phase) for k, (share, phase) in enumerate(lumps, 2)))
        return np.clip(edge - np.sqrt(self.x**2 + (self.y * flat) ** 2), 0, 1)


@dataclass(frozen=True)
class Surface:
    """The visible side of a body of revolution, pixel by pixel."""

    u: Array  # across: -1 at the left edge, 1 at the right
    v: Array  # along the axis: 0 at the top, 1 at the bottom
    alpha: Array

    @property
    def angle(self) -> Array:
        """Around the axis, radians from what faces us."""
        return np.asarray(np.arcsin(self.u))

    def between(self, top: float, bottom: float, sharp: float = 60.0) -> Array:
        """Alpha of the part with `v` from `top` to `bottom`."""
        return np.asarray(self.alpha * np.clip(np.minimum(self.v - top, bottom - self.v) * sharp, 0, 1))

    def gloss(self, place: float, width: float, strength: float) -> Array:
        """A lamp's upright reflection at `place` across a smooth body."""
        return np.asarray(strength * np.exp(-(((self.u - place) / width) ** 2)) * self.alpha)


def revolve(frame: Frame, profile: list[tuple[float, float]], radius: float, height: float, tilt: float) -> Surface:
    """Turn `profile`, points of (v, share of the radius), around the y axis, top at y = 0.

    `tilt` is the sine of the camera's elevation: seen from above, circles are ellipses, and a point on the near side lies
    lower in the picture by `tilt` times its depth. Two steps of iteration find which point that is.
    """
    table = np.interp(np.arange(257) / 256, *np.array(profile).T).astype(np.float32) * np.float32(radius)
    v = frame.y / height
    for _ in range(2):
        r = table[(v.clip(0, 1) * 256).astype(np.intp)]
        v = (frame.y - tilt * np.sqrt(np.maximum(0, r * r - frame.x**2))) / height
    edge = np.minimum(r - np.abs(frame.x), np.minimum(v, 1 - v) * height)
    return Surface(np.clip(frame.x / r, -1, 1), v, np.clip(edge + 0.5, 0, 1))
