"""Small pictures with a label that can be seen, and jobs made of them."""

import hashlib
import io
import json
import random
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

LABELS = ("ring", "square", "stripes")


def picture(label: str, seed: int) -> bytes:
    """The file of a picture of the label's shape, in a colour, size and place that the seed decides."""
    dice = random.Random(f"{label}{seed}")
    ground, ink = [tuple(dice.randrange(low, low + 90) for _ in range(3)) for low in (0, 150)]
    image = Image.new("RGB", (120, 96), ground)
    draw = ImageDraw.Draw(image)
    x, y, size = dice.randrange(20, 50), dice.randrange(14, 34), dice.randrange(36, 52)
    if label == "ring":
        draw.ellipse((x, y, x + size, y + size), outline=ink, width=8)
    elif label == "square":
        draw.rectangle((x, y, x + size, y + size), fill=ink)
    else:
        for line in range(0, 120, 12):
            draw.line((line, 0, line + x, 96), fill=ink, width=4)
    body = io.BytesIO()
    image.save(body, "JPEG", quality=90)
    return body.getvalue()


def item(folder: Path, label: str, seed: int, part: str, origin: str = "base") -> dict[str, Any]:
    """Write a picture into the folder and describe it as a job does."""
    data = picture(label, seed)
    sha256 = hashlib.sha256(data).hexdigest()
    path = folder / sha256
    path.write_bytes(data)
    return {"sha256": sha256, "path": str(path), "label": label, "part": part, "origin": origin, "group": sha256}


def items(folder: Path, labels: tuple[str, ...] = LABELS, train: int = 6, valid: int = 3) -> list[dict[str, Any]]:
    """A base set with the same number of images for each label."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        item(folder, label, seed, "train" if seed < train else "valid")
        for label in labels
        for seed in range(train + valid)
    ]


def job(cache: Path, output: Path, images: list[dict[str, Any]], champion: Path | None = None) -> str:
    """A job as the service writes it."""
    return json.dumps(
        {
            "project": "shapes",
            "version": "v2" if champion else "v1",
            "created_at": "2026-01-01T00:00:00+00:00",
            "dataset": "1",
            "cache": str(cache),
            "output": str(output),
            "champion": str(champion) if champion else None,
            "images": images,
        }
    )
