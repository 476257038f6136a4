"""What is printed on cans and mugs: a few brands known in the factory, and others that only the field has."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from strop_devstack.render.canvas import Array, Surface, rgb

Pattern = Callable[[Array, Array], Array]
"""Angle in radians and place along the axis (0 to 1) -> where the accent colour shows, 0 to 1."""


@dataclass(frozen=True)
class Brand:
    base: Array
    accent: Array
    pattern: Pattern

    def on(self, surface: Surface, spin: float) -> Array:
        """Colours of the surface, turned by `spin` radians around its axis."""
        share = self.pattern(surface.angle + spin, surface.v).clip(0, 1)
        return np.asarray(self.base + (self.accent - self.base) * share)


def _band(_angle: Array, v: Array) -> Array:
    return np.asarray(12 * (0.14 - np.abs(v - 0.52)))


def _diagonal(angle: Array, v: Array) -> Array:
    return np.asarray(6 * np.sin(3 * angle + 9 * v))


def _wave(angle: Array, v: Array) -> Array:
    return np.asarray(14 * (0.10 - np.abs(v - 0.55 - 0.12 * np.sin(2 * angle))))


def _disc(angle: Array, v: Array) -> Array:
    return np.asarray(9 * (0.62 - np.sqrt(angle**2 + (3 * (v - 0.5)) ** 2)))


def _letters(angle: Array, v: Array) -> Array:
    return np.asarray((np.abs(v - 0.5) < 0.16) * 6 * np.sin(9 * angle + 2 * np.sin(30 * v)))


def _dots(angle: Array, v: Array) -> Array:
    return np.asarray(5 * (np.sin(7 * angle) * np.sin(22 * v) - 0.35))


def _halves(_angle: Array, v: Array) -> Array:
    return np.asarray(30 * (v - 0.6))


def _plain(_angle: Array, v: Array) -> Array:
    return np.zeros_like(v)


CANS = {
    "factory": [
        Brand(rgb(0.80, 0.06, 0.08), rgb(0.95, 0.95, 0.95), _wave),
        Brand(rgb(0.08, 0.20, 0.62), rgb(0.90, 0.92, 0.95), _disc),
        Brand(rgb(0.10, 0.50, 0.20), rgb(0.95, 0.92, 0.30), _diagonal),
        Brand(rgb(0.82, 0.83, 0.86), rgb(0.75, 0.10, 0.12), _band),
    ],
    "field": [
        Brand(rgb(0.93, 0.50, 0.08), rgb(0.15, 0.25, 0.12), _letters),
        Brand(rgb(0.10, 0.10, 0.12), rgb(0.30, 0.85, 0.25), _diagonal),
        Brand(rgb(0.93, 0.90, 0.82), rgb(0.55, 0.38, 0.18), _halves),
        Brand(rgb(0.45, 0.12, 0.45), rgb(0.95, 0.75, 0.20), _dots),
        Brand(rgb(0.15, 0.60, 0.65), rgb(0.97, 0.97, 0.97), _letters),
    ],
}
MUGS = {
    "factory": [
        Brand(rgb(0.93, 0.93, 0.91), rgb(0.2, 0.2, 0.2), _plain),
        Brand(rgb(0.90, 0.90, 0.88), rgb(0.75, 0.12, 0.12), _disc),
        Brand(rgb(0.16, 0.26, 0.50), rgb(0.9, 0.9, 0.9), _plain),
        Brand(rgb(0.85, 0.80, 0.70), rgb(0.35, 0.22, 0.12), _band),
    ],
    "field": [
        Brand(rgb(0.12, 0.12, 0.13), rgb(0.85, 0.75, 0.55), _letters),
        Brand(rgb(0.35, 0.45, 0.32), rgb(0.85, 0.83, 0.75), _halves),
        Brand(rgb(0.78, 0.42, 0.22), rgb(0.95, 0.90, 0.80), _dots),
        Brand(rgb(0.90, 0.75, 0.20), rgb(0.2, 0.2, 0.25), _wave),
        Brand(rgb(0.55, 0.62, 0.70), rgb(0.3, 0.2, 0.2), _diagonal),
    ],
}
GLASS = {
    "factory": [rgb(0.05, 0.16, 0.07), rgb(0.08, 0.20, 0.10), rgb(0.05, 0.06, 0.06)],
    "field": [rgb(0.25, 0.12, 0.04), rgb(0.42, 0.42, 0.30), rgb(0.55, 0.30, 0.30), rgb(0.05, 0.10, 0.16)],
}
FOIL = {
    "factory": [rgb(0.45, 0.05, 0.08), rgb(0.10, 0.10, 0.10), rgb(0.65, 0.52, 0.20)],
    "field": [rgb(0.15, 0.30, 0.20), rgb(0.80, 0.80, 0.80), rgb(0.30, 0.15, 0.35)],
}
PAPER = {
    "factory": [rgb(0.92, 0.89, 0.80), rgb(0.95, 0.95, 0.93)],
    "field": [rgb(0.15, 0.13, 0.12), rgb(0.75, 0.55, 0.35), rgb(0.60, 0.12, 0.12)],
}
BEER = {
    "factory": [rgb(0.90, 0.62, 0.12), rgb(0.85, 0.52, 0.08)],
    "field": [rgb(0.30, 0.12, 0.05), rgb(0.62, 0.28, 0.08), rgb(0.92, 0.80, 0.40)],
}
