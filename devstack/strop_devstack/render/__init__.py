"""A camera simulation: beverage containers on a sorting line, in the factory and, drifted, in the field.

Every picture is rendered, none is a photograph. The label, the seed and the drift decide all of it.
"""

import io
import zlib

import numpy as np

from strop_devstack.render import clutter, containers, scene
from strop_devstack.render.canvas import Array, Frame, Light
from strop_devstack.render.containers import Pose

LABELS = ("beer-mug", "clutter", "coffee-mug", "soda-can", "wine-bottle")


def render(label: str, seed: int, field: bool | float = False) -> bytes:
    """Return a JPEG of 320 x 240. `field` is how far conditions have drifted: 0 (factory) to 1 (field)."""
    drift = float(field)
    rng = np.random.default_rng([zlib.crc32(label.encode()), seed, round(drift * 1000)])
    line = _Line(rng, drift)
    line.strew(int(rng.integers(0, 2) + rng.poisson(1.2 * drift)))
    if label == "clutter":
        line.heap()
    else:
        line.place(label)
    out = io.BytesIO()
    scene.photograph(line.picture, rng, drift).save(out, "JPEG", quality=round(88 - 28 * drift))
    return out.getvalue()


class _Line:
    """One moment of the line, while it is painted from back to front."""

    def __init__(self, rng: np.random.Generator, drift: float) -> None:
        self._rng, self._drift = rng, drift
        self.picture: Array = scene.belt(rng, drift)
        ambient = 0.45 - 0.15 * drift * rng.random()
        self._light = Light(right=self._sign() * rng.uniform(0.2, 0.75), ambient=ambient)
        self._tilt = rng.uniform(0.22, 0.34) + drift * rng.uniform(-0.10, 0.14)

    def strew(self, count: int) -> None:
        """Let small things lie about in the background."""
        for _ in range(count):
            self._thing((self._rng.uniform(10, 310), self._rng.uniform(75, 120)), self._rng.uniform(34, 70))

    def heap(self) -> None:
        """Make clutter the subject."""
        for _ in range(self._rng.integers(1, 4)):
            self._thing((self._rng.normal(160, 45), self._rng.normal(150, 22)), self._rng.uniform(80, 150))

    def place(self, label: str) -> None:
        """Put one container on the belt; in the field it stands anywhere, near or far, or lies, or is half hidden."""
        rng, drift = self._rng, self._drift
        usual, slim = containers.SIZES[label]
        size = usual * rng.uniform(0.88, 1.08) * (1 + drift * rng.uniform(-0.35, 0.15))
        foot = (160 + rng.normal(0, 18 + 30 * drift), rng.uniform(192, 212) - drift * rng.uniform(0, 30))
        angle = float(np.radians(rng.normal(0, 2 + 7 * drift)))
        if rng.random() < 0.22 * drift:
            angle += self._sign() * np.pi / 2
            foot = (160 - size / 2 * float(np.sin(angle)), foot[1] - 20)
            scene.shadow(self.picture, (160, foot[1] + size * slim * 0.8), size * 0.5, self._light.right)
        else:
            scene.shadow(self.picture, (foot[0], foot[1] + 2), size * slim * 1.1, self._light.right)
        top = (foot[0] + size * float(np.sin(angle)), foot[1] - size * float(np.cos(angle)))
        pose = Pose(size, self._tilt, self._light, known=rng.random() >= 0.85 * drift)
        containers.PAINTERS[label](Frame(self.picture, top, size * 1.25, angle), pose, rng)
        if rng.random() < 0.55 * drift:
            self._thing((160 + self._sign() * rng.uniform(25, 75), rng.uniform(185, 225)), rng.uniform(45, 85))

    def _thing(self, at: tuple[float, float], size: float) -> None:
        rng = self._rng
        kinds = clutter.NEW if rng.random() < 0.6 * self._drift else clutter.KNOWN
        scene.shadow(self.picture, (at[0], at[1] + size * 0.28), size * 0.36, self._light.right)
        frame = Frame(self.picture, at, size, rng.normal(0, 0.15 + 0.2 * self._drift))
        kinds[rng.integers(len(kinds))](frame, Pose(size, self._tilt, self._light, known=True), rng)

    def _sign(self) -> int:
        return 1 if self._rng.random() < 0.5 else -1
