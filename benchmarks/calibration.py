"""How well confidences agree with accuracy, by labelled images per label, and what that changes for a fleet.

    python -m benchmarks.calibration --images flowers12/ --cache FOLDER        a folder tree …/<label>/*
    python -m benchmarks.calibration --images trashnet/ --loop                 one loop of the demo's split, see `learning`

Without `--loop`: heads trained on 5, 10, 20 and 50 images per label, three draws, and judged on all others. The columns are the
expected calibration error, accuracy, mean confidence, and the share of images with a margin below the policy's `low`, which a
device sends. The floor is the temperature of before: fitted with targets smoothed by Laplace's rule over the labels, on the
predictions of three folds. The last column is the error that a perfect estimate of accuracy from so few images has on average.
With `--loop`: the field images below `low` of the first model, labelled, and the accuracy of the model that also has these.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import learning
from strop_devstack.demo import images
from strop_edge import image
from strop_wire import messages
from trainer import backbone, calibration, features, head, views

DATA = Path(os.environ.get("STROP_DATA", "../shared/data"))
COUNTS, DRAWS, POOL, BINS = (5, 10, 20, 50), 3, 70, 10
DEGREES = np.geomspace(0.01, 20, 200)

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Pictures:
    """All images of a folder; only those of `pool` have all views and may be trained on."""

    plain: learning.Vectors  # [images, features]
    labels: Integers
    pool: Integers  # indexes
    views: learning.Vectors  # [pool, views, features]


def pictures(folder: Path, cache: features.Cache) -> Pictures:
    files = sorted(file for file in folder.rglob("*") if file.suffix in {".jpg", ".jpeg", ".png"})
    names = sorted({file.parent.name for file in files})
    labels = np.array([names.index(file.parent.name) for file in files])
    order = np.random.default_rng(1).permutation(len(files))
    pool = np.sort(np.concatenate([order[labels[order] == each][:POOL] for each in range(len(names))]))
    hashes = [image.sha256(file.read_bytes()) for file in files]

    def get(rows: Integers | range, wanted: tuple[str, ...]) -> learning.Vectors:
        found = cache.get([features.View(hashes[i], files[i], view) for i in rows for view in wanted], lambda *_: None)
        return found.reshape(len(rows), len(wanted), -1)

    return Pictures(get(range(len(files)), (views.PLAIN,))[:, 0], labels, pool, get(pool, views.TRAINING["base"]))


def smoothed(examples: head.Examples, labels: int, made: head.Head) -> float:
    """Return the temperature of before, for the head that is made now."""
    options = head.Options(strengths=(made.strength,))
    unseen = head._out_of_fold(examples, labels, options, head.FOLDS, lambda *_: None)  # noqa: SLF001
    assert unseen
    mix = head._choose(unseen, options.weights)  # noqa: SLF001
    logits, spread = (
        mix.of(unseen.regressions[made.strength], unseen.discriminant),
        labels / (len(unseen.truth) + labels),
    )

    def loss(degree: float) -> float:
        logs = np.log(np.maximum(calibration.softmax(logits / np.float32(degree)), 1e-12))
        return float(-((1 - spread) * logs[np.arange(len(logs)), unseen.truth] + spread * logs.mean(axis=1)).mean())

    return float(min(DEGREES, key=loss))


def figures(logits: learning.Vectors, truth: Integers) -> list[float]:
    """Calibration error over equal bins of confidence, accuracy, mean confidence, share below `low`."""
    shares = calibration.softmax(logits)
    best = np.sort(shares, axis=1)[:, ::-1]
    sure, right = best[:, 0], shares.argmax(axis=1) == truth
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    error = sum(abs(float(right[bins == each].sum() - sure[bins == each].sum())) for each in range(BINS)) / len(truth)
    low = float((best[:, 0] - best[:, 1] < messages.Policy().low).mean())
    return [error, float(right.mean()), float(sure.mean()), low]


def few(found: Pictures, count: int) -> Iterator[tuple[list[float], list[float], float]]:
    """Per draw: the figures of before and of now, and the mean error of an estimate of accuracy from these images."""
    labels = int(found.labels.max()) + 1
    for draw in range(DRAWS):
        order = np.random.default_rng(draw).permutation(len(found.pool))
        own = found.labels[found.pool[order]]
        rows = np.concatenate([order[own == each][:count] for each in range(labels)])
        others = np.setdiff1d(np.arange(len(found.labels)), found.pool[rows])
        learned = learning.examples([(found.views[rows], found.labels[found.pool[rows]])])
        made = head.train(learned, labels, head.Options(), lambda *_: None)
        logits, truth = found.plain[others] @ made.weights.T + made.bias, found.labels[others]
        before, now = (
            figures(logits / np.float32(each), truth) for each in (smoothed(learned, labels, made), made.temperature)
        )
        yield before, now, (2 / np.pi * now[1] * (1 - now[1]) / len(rows)) ** 0.5


def loop(parts: dict[str, learning.Part]) -> None:
    """Label what the first model is unsure of, and train again."""
    base, field, heldout = (parts[name] for name in ("base", "field", "heldout"))
    labels = int(base.labels.max()) + 1
    learned = learning.examples([(base.vectors, base.labels)])
    made = head.train(learned, labels, head.Options(), lambda *_: None)
    print("| temperature | ECE in the field % | below `low` | accuracy after labelling these % |\n|---|---|---|---|")
    for name, degree in (("before", smoothed(learned, labels, made)), ("now", made.temperature)):
        logits = [(part.vectors[:, 0] @ made.weights.T + made.bias) / np.float32(degree) for part in (field, heldout)]
        best = np.sort(calibration.softmax(logits[0]), axis=1)
        sent = np.flatnonzero(best[:, -1] - best[:, -2] < messages.Policy().low)
        both = [(base.vectors, base.labels), (field.vectors[sent], field.labels[sent])]
        again = head.train(learning.examples(both), labels, head.Options(), lambda *_: None)
        after = learning.accuracy(again, heldout, head_only=False)
        error = figures(logits[1], heldout.labels)[0]
        print(f"| {name} | {100 * error:.1f} | {len(sent)} of {len(field.labels)} | {100 * after:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, default=DATA / "flowers12")
    parser.add_argument("--loop", action="store_true")
    parser.add_argument("--cache", type=Path, help="folder of backbone and features; without it, they are computed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="strop-calibration-") as folder:
        work = options.cache or Path(folder)
        with features.Cache(work / features.FILE, backbone.ensure(work), backbone.SHA256) as cache:
            if options.loop:
                prepared = images.prepare(work / "images", options.images, lambda *_: None)
                loop(learning.parts(cache, prepared))
                return
            found = pictures(options.images, cache)
    print(
        "| images per label | ECE % before → now | accuracy % | confidence % | below `low` % | unavoidable |\n|---|---|---|---|---|---|"
    )
    for count in COUNTS:
        before, now, least = (np.mean(each, axis=0) * 100 for each in zip(*few(found, count), strict=True))
        shown = [f"{before[0]:.1f} → {now[0]:.1f}", f"{now[1]:.1f}", f"{before[2]:.1f} → {now[2]:.1f}"]
        print(f"| {count} | {' | '.join(shown)} | {before[3]:.1f} → {now[3]:.1f} | {least:.1f} |", flush=True)


if __name__ == "__main__":
    main()
