"""What else lies on a sorting line: boxes, crumpled paper, plates, cutlery, bags, paper cups, jars. Centre at y = 0."""

import numpy as np

from strop_devstack.render.canvas import Array, Frame, revolve, rgb
from strop_devstack.render.containers import Pose

WHITE, GREY, BLACK = rgb(0.92, 0.92, 0.90), rgb(0.62, 0.63, 0.64), rgb(0.14, 0.14, 0.15)
BROWN, SAND, BLUE = rgb(0.62, 0.46, 0.29), rgb(0.75, 0.68, 0.55), rgb(0.25, 0.38, 0.58)
RED, GREEN, YELLOW = rgb(0.66, 0.13, 0.10), rgb(0.22, 0.42, 0.30), rgb(0.78, 0.64, 0.22)


def _one(rng: np.random.Generator, *colors: Array) -> Array:
    return colors[rng.integers(len(colors))]


def _lumps(rng: np.random.Generator, strength: float) -> list[tuple[float, float]]:
    return [(rng.uniform(0.2, 1) * strength, rng.uniform(0, 6.3)) for _ in range(6)]


def carton(frame: Frame, pose: Pose, rng: np.random.Generator) -> None:
    wide, tall = pose.size * rng.uniform(0.28, 0.48), pose.size * rng.uniform(0.16, 0.42)
    color, lid = _one(rng, BROWN, BROWN * 0.85, SAND, BLUE), wide * rng.uniform(0.25, 0.5)
    slanted = frame.x - (frame.y + tall) * 0.5
    sides = np.minimum(slanted + wide, wide - slanted)
    frame.paint(color * 1.15, np.minimum(sides, np.minimum(frame.y + tall + lid, -frame.y - tall)).clip(0, 1))
    frame.paint(color * (0.85 + 0.012 * np.sin(frame.x * 1.5)), frame.box(-wide, -tall, wide, tall))
    frame.paint(color * 0.55, frame.box(-wide, -0.05 * tall, wide, 0.05 * tall) * 0.5)
    if rng.random() < 0.6:
        at = rng.uniform(-0.5, 0.3) * wide
        frame.paint(WHITE, frame.box(at, -0.6 * tall, at + 0.4 * wide, 0.1 * tall))


def paper_ball(frame: Frame, pose: Pose, rng: np.random.Generator) -> None:
    x, y = frame.x * (9 / pose.size), frame.y * (9 / pose.size)
    ways = rng.uniform(-1, 1, (4, 3)).tolist()
    folds = sum(np.abs(np.sin(a * x + b * y + 6 * c)) for a, b, c in ways)
    color = _one(rng, WHITE, SAND, rgb(0.55, 0.65, 0.8)) * (0.45 + 0.17 * folds)
    frame.paint(color, frame.blob(pose.size * rng.uniform(0.25, 0.38), _lumps(rng, 0.07), 1.2))


def plate(frame: Frame, pose: Pose, rng: np.random.Generator) -> None:
    wide = pose.size * rng.uniform(0.42, 0.58)
    flat = wide * (pose.tilt + 0.12)
    color = _one(rng, WHITE, rgb(0.75, 0.80, 0.85), rgb(0.45, 0.30, 0.22))
    frame.paint(color * 0.75, frame.ellipse(0, 3, wide, flat))
    frame.paint(color, frame.ellipse(0, 0, wide, flat))
    frame.paint(color * 0.82, frame.ellipse(0, 1, wide * 0.66, flat * 0.64, 2))
    frame.paint(color * 0.95, frame.ellipse(0, 2, wide * 0.62, flat * 0.60, 2))
    if rng.random() < 0.5:
        rest = rgb(*rng.uniform(0.25, 0.65, 3)) * rgb(1, 0.8, 0.4)
        frame.paint(rest, frame.blob(wide * 0.3, _lumps(rng, 0.15), 2.0))


def cutlery(frame: Frame, pose: Pose, rng: np.random.Generator) -> None:
    for _ in range(rng.integers(1, 4)):
        away, long, wide = rng.uniform(-0.2, 0.2) * pose.size, pose.size * rng.uniform(0.3, 0.5), pose.size * 0.022
        color = _one(rng, rgb(0.78, 0.79, 0.80), WHITE, BLACK)
        frame.paint(
            color * (0.75 + 0.3 * np.cos((frame.y - away) / wide)), frame.box(-long, away - wide, long, away + wide)
        )
        frame.paint(color, frame.ellipse(long, away, long * 0.28, wide * 2.6))


def bag(frame: Frame, pose: Pose, rng: np.random.Generator) -> None:
    x, y = frame.x * (14 / pose.size), frame.y * (14 / pose.size)
    ways = rng.uniform(-1, 1, (5, 3)).tolist()
    folds = sum(np.sin(a * x + b * y + 6 * c + np.sin(b * x)) for a, b, c in ways)
    alpha = frame.blob(pose.size * 0.42, _lumps(rng, 0.12), 1.3) * rng.uniform(0.6, 0.9)
    frame.paint(_one(rng, rgb(0.80, 0.83, 0.85), BLACK, BLUE, YELLOW) * (0.80 + 0.11 * folds), alpha)


def paper_cup(frame: Frame, pose: Pose, rng: np.random.Generator) -> None:
    height, radius = pose.size * 0.62, pose.size * rng.uniform(0.20, 0.25)
    frame.y += np.float32(height / 2)
    body = revolve(frame, [(0.0, 1.0), (1.0, 0.68)], radius, height, pose.tilt)
    shade = pose.light.on(body.u)
    frame.paint(_one(rng, WHITE, BROWN, GREEN) * shade, body.alpha)
    frame.paint(_one(rng, BROWN, GREY, RED) * shade, body.between(0.33, 0.77))
    frame.paint(WHITE, frame.ellipse(0, 0, radius, radius * pose.tilt))
    frame.paint(GREY * 0.9, frame.ellipse(0, 0, radius * 0.92, radius * pose.tilt * 0.88))


def jar(frame: Frame, pose: Pose, rng: np.random.Generator) -> None:
    height, radius = pose.size * 0.56, pose.size * rng.uniform(0.20, 0.26)
    frame.y += np.float32(height / 2)
    body = revolve(frame, [(0, 0.86), (0.14, 0.86), (0.2, 1.0), (0.95, 1.0), (1.0, 0.9)], radius, height, pose.tilt)
    shade = pose.light.on(body.u)
    frame.paint(_one(rng, rgb(0.75, 0.80, 0.80), RED, YELLOW) * shade, body.alpha * 0.8)
    lid = _one(rng, WHITE, RED, BLACK)
    frame.paint(lid * shade, body.between(-1, 0.15))
    frame.paint(lid * 1.05, frame.ellipse(0, 0, radius * 0.86, radius * 0.86 * pose.tilt))
    frame.lighten(body.gloss(0.5 * pose.light.side, 0.08, 0.3))


KNOWN = (carton, paper_ball, plate, cutlery)
NEW = (bag, paper_cup, jar)
"""What comes to the field's lines only."""
