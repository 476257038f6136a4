"""Which features and views pay: accuracy on held-out field images of heads trained without the services.

    python -m benchmarks.learning --images trashnet/       a folder tree <label>/…; without it, rendered images

The images are split as in the demo (base, field with a simulated field camera, held out). Each row trains on the base images and
on 0, 357 or 650 field images drawn at random, and prints the mean of three draws. The floor is what models were made of before:
the pooled head of the backbone alone and three views of a base image, two of a field image.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from strop_devstack.demo import images
from strop_edge import image
from trainer import backbone, features, head, views

DRAWS, LABELS = 3, (0, 357, 650)
HEAD = 1280  # features of the head convolution, the last ones of a vector
FEW = {"base": views.TRAINING["base"][:3], "field": views.TRAINING["field"][:2]}

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Part:
    """Features [images, views, features] and the label of each image."""

    vectors: Vectors
    labels: NDArray[np.int64]


def part(cache: features.Cache, folder: Path, labels: tuple[str, ...], wanted: tuple[str, ...]) -> Part:
    files = sorted(folder.glob("*/*"))
    shown = [features.View(image.sha256(file.read_bytes()), file, view) for file in files for view in wanted]
    found = cache.get(shown, lambda done, total: print(f"\r{folder.name} {done}/{total}", end="", flush=True))
    print()
    return Part(found.reshape(len(files), len(wanted), -1), np.array([labels.index(f.parent.name) for f in files]))


def parts(cache: features.Cache, prepared: images.Prepared) -> dict[str, Part]:
    """Return the parts of the demo's split by name."""
    places = {"base": ("base/train", views.TRAINING["base"]), "field": ("field", views.TRAINING["field"])}
    places |= {"valid": ("base/valid", (views.PLAIN,)), "heldout": ("heldout", (views.PLAIN,))}
    return {
        name: part(cache, prepared.folder / place, prepared.labels, wanted) for name, (place, wanted) in places.items()
    }


def cut(vectors: Vectors, *, head_only: bool) -> Vectors:
    if not head_only:
        return vectors
    kept = vectors[..., -HEAD:]
    shortened: Vectors = kept / np.linalg.norm(kept, axis=-1, keepdims=True)
    return shortened


def examples(parts: list[tuple[Vectors, NDArray[np.int64]]]) -> head.Examples:
    rows = [(vectors.reshape(-1, vectors.shape[-1]), np.repeat(labels, vectors.shape[1])) for vectors, labels in parts]
    counts = [vectors.shape[1] for vectors, _ in parts for _ in range(len(vectors))]
    plain = np.concatenate([np.arange(count) == 0 for count in counts])
    groups = np.repeat(np.arange(len(counts)), counts)
    return head.Examples(np.concatenate([r[0] for r in rows]), np.concatenate([r[1] for r in rows]), groups, plain)


def accuracy(made: head.Head, part: Part, *, head_only: bool) -> float:
    logits = cut(part.vectors[:, 0], head_only=head_only) @ made.weights.T + made.bias
    return float((logits.argmax(axis=1) == part.labels).mean())


def row(parts: dict[str, Part], count: int, *, head_only: bool, few: bool) -> tuple[float, float]:
    """Accuracy on held-out field images and on base images of the part `valid`; means of the draws."""
    many = {origin: len((FEW if few else views.TRAINING)[origin]) for origin in ("base", "field")}
    found = []
    for draw in range(DRAWS if count else 1):
        picked = np.random.default_rng(draw).permutation(len(parts["field"].labels))[:count]
        learned = [(parts["base"].vectors[:, : many["base"]], parts["base"].labels)]
        if count:
            learned.append((parts["field"].vectors[picked][:, : many["field"]], parts["field"].labels[picked]))
        cuts = [(cut(vectors, head_only=head_only), labels) for vectors, labels in learned]
        made = head.train(examples(cuts), int(parts["base"].labels.max()) + 1, head.Options(), lambda *_: None)
        found.append([accuracy(made, parts[name], head_only=head_only) for name in ("heldout", "valid")])
    field, clean = np.mean(found, axis=0)
    return float(field), float(clean)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="strop-learning-") as folder:
        work = Path(folder)
        prepared = images.prepare(work / "images", options.images, lambda *_: None)
        path = backbone.ensure(work)
        with features.Cache(work / "features.sqlite", path, backbone.SHA256) as cache:
            found = parts(cache, prepared)
    print("| features | views (base; field) | field labels | held-out field % | clean % |\n|---|---|---|---|---|")
    for count in LABELS:
        for few in (True, False):
            for head_only in (True, False):
                field, clean = row(found, count, head_only=head_only, few=few)
                kind = "head" if head_only else "three stages and head"
                shown = "3; 2" if few else "7; 5"
                print(f"| {kind} | {shown} | {count} | {100 * field:.1f} | {100 * clean:.1f} |", flush=True)


if __name__ == "__main__":
    main()
