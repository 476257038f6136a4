"""A few images for a model to learn and for devices to see, drawn with nothing but Python."""

import random
import struct
import zlib
from pathlib import Path

SIDE = 64
COLORS = {"blue": (30, 60, 200), "red": (200, 50, 30)}


def base(folder: Path, each: int = 6) -> None:
    """A tree of known images, as `strop datasets import` takes it."""
    for label, color in COLORS.items():
        for split, count in (("train", each), ("valid", each // 2)):
            _fill(folder / split / label, color, count)


def seen(folder: Path, each: int = 15) -> None:
    """What the devices' cameras see: half a minute of it, one a second."""
    for label, color in COLORS.items():
        _fill(folder / label, color, each)


def _fill(folder: Path, color: tuple[int, int, int], count: int) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{number}.png").write_bytes(_png(color))


def _png(color: tuple[int, int, int]) -> bytes:
    """A noisy patch of the color."""
    row = SIDE * color
    lines = (bytes([0, *(min(255, max(0, value + random.randint(-30, 30))) for value in row)]) for _ in range(SIDE))
    header = struct.pack("!IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(lines))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*each) for each in chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack("!I", len(body)) + kind + body + struct.pack("!I", zlib.crc32(kind + body))
