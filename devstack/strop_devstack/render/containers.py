"""The four containers. Each is painted upright around its own axis: top at y = 0 of the frame, `pose.size` pixels tall."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from strop_devstack.render import brands
from strop_devstack.render.canvas import WHITE, Frame, Light, revolve, rgb

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Pose:
    """How an object stands before the camera, and whether its conditions are those of the base images."""

    size: float
    tilt: float  # sine of the camera's elevation
    light: Light
    known: bool

    def choose(self, kinds: dict[str, list[Kind]], rng: np.random.Generator) -> Kind:
        choice = kinds["factory" if self.known else "field"]
        return choice[rng.integers(len(choice))]


def soda_can(frame: Frame, pose: Pose, rng: np.random.Generator) -> None:
    radius = pose.size * rng.uniform(0.26, 0.30)
    profile = [(0.0, 0.80), (0.05, 0.86), (0.11, 1.0), (0.92, 1.0), (1.0, 0.82)]
    body = revolve(frame, profile, radius, pose.size, pose.tilt)
    printed = pose.choose(brands.CANS, rng).on(body, rng.uniform(-1.0, 1.0))
    metal = (np.maximum(0.09 - body.v, body.v - 0.94) * 60).clip(0, 1)
    frame.paint((printed + (0.72 - printed) * metal) * pose.light.on(body.u), body.alpha)
    frame.lighten(body.gloss(0.45 * pose.light.side, 0.10, 0.40) + body.gloss(-0.72 * pose.light.side, 0.06, 0.22))
    _lid(frame, 0.80 * radius, pose.tilt, rng)


def _lid(frame: Frame, radius: float, tilt: float, rng: np.random.Generator) -> None:
    flat = radius * tilt
    frame.paint(rgb(0.80, 0.81, 0.83), frame.ellipse(0, 0, radius, flat))
    frame.paint(rgb(0.55, 0.56, 0.58), frame.ellipse(0, flat * 0.08, radius * 0.88, flat * 0.84))
    frame.paint(rgb(0.70, 0.71, 0.73), frame.ellipse(0, flat * 0.16, radius * 0.84, flat * 0.76))
    at = rng.uniform(-0.2, 0.2) * radius
    frame.paint(rgb(0.86, 0.87, 0.88), frame.ellipse(at, -0.05 * flat, radius * 0.22, flat * 0.34))
    frame.paint(rgb(0.30, 0.30, 0.32), frame.ellipse(at, 0.40 * flat, radius * 0.24, flat * 0.20))


def wine_bottle(frame: Frame, pose: Pose, rng: np.random.Generator) -> None:
    radius, shoulder = pose.size * rng.uniform(0.125, 0.15), rng.uniform(0.36, 0.44)
    neck = [(0.0, 0.40), (0.035, 0.42), (0.045, 0.36), (shoulder - 0.12, 0.40)]
    belly = [(shoulder - 0.04, 0.70), (shoulder, 0.92), (shoulder + 0.04, 1.0), (0.97, 1.0), (1.0, 0.90)]
    body = revolve(frame, neck + belly, radius, pose.size, pose.tilt)
    glass, foil, paper = (pose.choose(kinds, rng) for kinds in (brands.GLASS, brands.FOIL, brands.PAPER))
    shade = pose.light.on(body.u)
    # Light that passes through the wall makes the edges of a bottle brighter than its middle.
    frame.paint((glass + 0.25 * body.u**4 * (glass + 0.15)) * (0.6 + 0.5 * shade), body.alpha * 0.96)
    frame.paint(foil * shade, body.between(-1, rng.uniform(0.14, 0.22)))
    top, wide = rng.uniform(0.54, 0.60), rng.uniform(0.9, 1.3)
    label = body.between(top, top + 0.30) * ((wide - np.abs(body.angle)) * 20).clip(0, 1)
    frame.paint(paper * shade, label)
    print_ = (np.sin(body.v * 150) > 0.55) & (np.abs(body.angle) < 0.6)
    frame.paint((1 - paper) * 0.6, body.between(top + 0.08, top + 0.24) * print_ * 0.7)
    frame.lighten(body.gloss(0.55 * pose.light.side, 0.09, 0.45) * (1 - 0.7 * label))


def coffee_mug(frame: Frame, pose: Pose, rng: np.random.Generator) -> None:
    radius = pose.size * rng.uniform(0.40, 0.50)
    brand = pose.choose(brands.MUGS, rng)
    side = (1 if rng.random() < 0.5 else -1) * rng.uniform(0.75, 1.0)
    bar, across = frame.ring(side * radius * 0.98, pose.size * 0.52, radius * 0.42, pose.size * 0.28, radius * 0.17)
    frame.paint(brand.base * (0.80 - 0.25 * across), bar)
    profile = [(0.0, 1.0), (0.8, rng.uniform(0.92, 1.0)), (1.0, 0.80)]
    body = revolve(frame, profile, radius, pose.size, pose.tilt)
    frame.paint(brand.on(body, rng.uniform(-0.7, 0.7)) * pose.light.on(body.u), body.alpha)
    frame.lighten(body.gloss(0.5 * pose.light.side, 0.13, 0.20))
    flat = radius * pose.tilt
    frame.paint(np.minimum(1, brand.base * 1.08 + 0.04), frame.ellipse(0, 0, radius, flat))
    frame.paint(brand.base * 0.55 + 0.05, frame.ellipse(0, 0, radius * 0.90, flat * 0.88))
    if rng.random() < 0.7:
        frame.paint(rgb(0.16, 0.08, 0.04), frame.ellipse(0, flat * 0.16, radius * 0.86, flat * 0.70))
        frame.paint(rgb(0.42, 0.26, 0.14), frame.ellipse(-0.3 * radius, flat * 0.3, radius * 0.3, flat * 0.16, 3) * 0.6)


def beer_mug(frame: Frame, pose: Pose, rng: np.random.Generator) -> None:
    radius = pose.size * rng.uniform(0.30, 0.36)
    side = (1 if rng.random() < 0.5 else -1) * rng.uniform(0.85, 1.0)
    bar, across = frame.ring(side * radius, pose.size * 0.50, radius * 0.52, pose.size * 0.29, radius * 0.20)
    frame.paint(rgb(0.82, 0.85, 0.84), bar * (0.35 + 0.35 * across**2))
    frame.lighten(bar * np.exp(-(((across - 0.3) / 0.2) ** 2)) * 0.25)
    profile = [(0.0, 1.0), (0.9, rng.uniform(0.92, 1.05)), (1.0, 0.96)]
    wall = revolve(frame, profile, radius, pose.size, pose.tilt)
    frame.paint(rgb(0.80, 0.84, 0.83), wall.alpha * (0.22 + 0.5 * wall.u**6))
    _beer(frame, pose, radius, rng)
    rim, _ = frame.ring(0, 0, radius * 0.97, radius * pose.tilt, 2.5)
    frame.paint(rgb(0.92, 0.95, 0.95), rim * 0.75)
    frame.lighten(wall.gloss(0.62 * pose.light.side, 0.06, 0.35) + wall.gloss(-0.8, 0.05, 0.2))


def _beer(frame: Frame, pose: Pose, radius: float, rng: np.random.Generator) -> None:
    """Beer and froth inside the glass, which is cut into facets."""
    inner = revolve(frame, [(0.0, 0.90), (1.0, 0.88)], radius, pose.size, pose.tilt)
    full, froth = rng.uniform(0.10, 0.45), rng.uniform(0.06, 0.22)
    shade = pose.light.on(inner.u)
    facets = 0.88 + 0.14 * np.cos(inner.angle * int(rng.integers(7, 11)))
    color = pose.choose(brands.BEER, rng) * ((1.10 - 0.35 * inner.v) * facets * shade)
    frame.paint(color, inner.between(full, 0.94, 40) * 0.93)
    bubbles = 0.93 + 0.03 * np.sin(frame.x * 0.9) * np.sin(frame.y * 1.1 + 0.05 * frame.x)
    frame.paint(rgb(1, 0.97, 0.88) * (bubbles * shade), inner.between(full - 0.02, full + froth, 40))
    surface = frame.ellipse(0, full * pose.size, radius * 0.88, radius * pose.tilt * 0.86)
    frame.paint(WHITE * rgb(0.97, 0.94, 0.85), surface * 0.95)


PAINTERS = {"beer-mug": beer_mug, "coffee-mug": coffee_mug, "soda-can": soda_can, "wine-bottle": wine_bottle}

SIZES = {"beer-mug": (120.0, 0.36), "coffee-mug": (92.0, 0.48), "soda-can": (128.0, 0.28), "wine-bottle": (178.0, 0.15)}
"""Pixels from top to bottom, from where the factory's camera hangs; and half the width as a share of that."""
