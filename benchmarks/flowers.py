"""Hosted models on real flowers: how good, how well they know what they do not know, how fast, how much memory.

Every model is trained and judged by the child process, as in production; the first one from empty caches. Floors, measured
in the same run: logistic regression on features of the small backbone, with its largest logit or its softmax as novelty.
The flowers lie in `train/` and `test/`, something else entirely in the folder beside them; `STROP_DATA` says where.
Run as `python -m benchmarks.flowers`.
What was chosen on which images: README of the trainer, "Backbones".
"""

import argparse
import colorsys
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, roc_auc_score

from trainer import backbone, features

DATA = Path(os.environ.get("STROP_DATA", "../shared/data"))
ELSE, ELSES = "something else", 400
CHOICES, SPLITS, LEFT_OUT = 6, 5, 3
HUES, MANY, EACH = 6, 100, 60


def item(path: Path, label: str, part: str) -> dict[str, Any]:
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"sha256": sha256, "path": str(path), "label": label, "part": part, "origin": "base", "group": sha256}


def flowers() -> list[dict[str, Any]]:
    """The data set as its folders have it."""
    parts = {"train": "train", "test": "valid"}
    paths = sorted((DATA / "flowers12").glob("*/*/*.jpg"))
    return [item(path.resolve(), path.parts[-2], parts[path.parts[-3]]) for path in paths]


def something_else() -> list[dict[str, Any]]:
    paths = sorted((DATA / "trashnet").glob("*/*.jpg"))
    chosen = np.random.default_rng(0).permutation(len(paths))[:ELSES]
    return [item(paths[number].resolve(), ELSE, "valid") for number in chosen]


class Bench:
    """Trains in a folder that starts empty."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self._runs = 0

    def train(self, images: Sequence[dict[str, Any]], kind: str = backbone.HOSTED) -> dict[str, Any]:
        """Run the child process; its result, with `seconds` and the outcomes read."""
        self._runs += 1
        folder = self.work / str(self._runs)
        folder.mkdir()
        job = {
            "project": "bench",
            "version": "v1",
            "created_at": "2026-01-01T00:00:00+00:00",
            "dataset": "1",
            "cache": str(self.work / "cache"),
            "output": str(folder / "package"),
            "champion": None,
            "options": {"backbone": kind},
            "images": list(images),
        }
        (folder / "job.json").write_text(json.dumps(job))
        began = time.perf_counter()
        command = [sys.executable, "-m", "trainer.training", str(folder / "job.json"), str(folder / "result.json")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        result: dict[str, Any] = json.loads((folder / "result.json").read_text())
        lines = Path(result["outcomes"]["base"]).read_text().splitlines()
        return {**result, "seconds": time.perf_counter() - began, "rows": [json.loads(line) for line in lines]}

    def features(self, images: Sequence[dict[str, Any]]) -> features.Features:
        """Of the small backbone, for the floors."""
        path = backbone.ensure(self.work / "cache/backbones")
        with features.Cache(self.work / "cache/features.sqlite", path, backbone.SHA256) as cache:
            views = [features.View(each["sha256"], Path(each["path"])) for each in images]
            return cache.get(views, lambda _done, _total: None)


def only(images: Sequence[dict[str, Any]], part: str) -> list[dict[str, Any]]:
    return [each for each in images if each["part"] == part]


def floor(
    bench: Bench, images: Sequence[dict[str, Any]]
) -> tuple[Sequence[str], NDArray[np.float64], LogisticRegression]:
    """Plain regression: the labels of the held-out images and its logits for them."""
    learned, held = only(images, "train"), only(images, "valid")
    fitted = LogisticRegression(C=100, max_iter=1000).fit(bench.features(learned), [each["label"] for each in learned])
    return [each["label"] for each in held], fitted.decision_function(bench.features(held)), fitted


def unknown(known: NDArray[np.bool_], novelty: NDArray[np.float64]) -> tuple[float, float]:
    """AUROC, and the share of unknown images that get a label where 5 % of the known lose theirs."""
    limit = np.quantile(novelty[known], 0.95)
    return float(roc_auc_score(~known, novelty)), float((novelty[~known] <= limit).mean())


def left_out(bench: Bench, images: Sequence[dict[str, Any]], others: Sequence[dict[str, Any]]) -> None:
    """Train without some flowers and show them then."""
    names = sorted({each["label"] for each in images})
    dice = np.random.default_rng(0)
    ours, logit, softmax, acting = [], [], [], []
    for _ in range(CHOICES):
        hidden = set(dice.permutation(names)[:LEFT_OUT])
        shown = [each for each in images if each["part"] == "valid" or each["label"] not in hidden]
        rows = bench.train([*shown, *others])["rows"]
        flower = [row for row in rows if row["label"] != ELSE]
        known = np.array([row["label"] not in hidden for row in flower])
        ours.append(unknown(known, np.array([row["novelty"] for row in flower])))
        answered = np.array([bool(row["answers"]) for row in flower])
        stray = np.mean([bool(row["answers"]) for row in rows if row["label"] == ELSE])
        acting.append((1 - answered[known].mean(), answered[~known].mean(), stray))
        labels, logits, _ = floor(bench, shown)
        known = np.array([label not in hidden for label in labels])
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        logit.append(unknown(known, -logits.max(axis=1)))
        softmax.append(unknown(known, -(shares / shares.sum(axis=1, keepdims=True)).max(axis=1)))
    print(
        f"unknown flowers, mean of {CHOICES} choices of {LEFT_OUT} labels left out    AUROC   get a label where 5 % of the known lose it"
    )
    for name, found in (("novelty", ours), ("floor: largest logit", logit), ("floor: softmax", softmax)):
        print(f"  {name:56}{np.mean(found, axis=0)[0]:7.3f} {np.mean(found, axis=0)[1]:7.1%}")
    lost, strange, stray = np.mean(acting, axis=0)
    print(
        f"  with the model's own thresholds: known without an answer {lost:.1%}, unknown flowers with one {strange:.1%},"
    )
    print(f"  images of something else with one {stray:.1%}")


def splits(bench: Bench, images: Sequence[dict[str, Any]]) -> list[float]:
    """Macro-F1 of other splits of all images, 60 and 20 a label."""
    found = []
    for seed in range(SPLITS):
        dice, again = np.random.default_rng(seed), []
        for label in sorted({each["label"] for each in images}):
            own = [each for each in images if each["label"] == label]
            cut = len(only(own, "valid"))
            again += [
                {**own[n], "part": "valid" if rank < cut else "train"}
                for rank, n in enumerate(dice.permutation(len(own)))
            ]
        found.append(bench.train(again)["evaluations"]["base"]["macro_f1"])
    return found


def many(bench: Bench) -> Iterable[dict[str, Any]]:
    """A hundred labels: each real one in several hues."""
    folders = [*sorted((DATA / "flowers12/train").iterdir()), *sorted((DATA / "trashnet").iterdir())]
    for number in range(MANY):
        source, hue = folders[number // HUES], number % HUES / HUES
        turned = np.array([[colorsys.hsv_to_rgb(hue + third / 3, 1, 1) for third in range(3)]], np.float32)[0]
        turned /= turned.sum(axis=1, keepdims=True)
        for place, path in enumerate(sorted(source.glob("*.jpg"))[:EACH]):
            pixels = np.asarray(Image.open(path).convert("RGB"), np.float32) @ turned.T
            made = bench.work / f"{number}-{place}.jpg"
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(made, quality=85)
            yield item(made, f"{source.name} {number % HUES}", "train")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench, images = Bench(Path(folder)), flowers()
        hosted = bench.train(images)
        found = hosted["evaluations"]["base"]
        print(f"training from empty caches, {len(images)} images             {hosted['seconds']:7.1f} s")
        labels, logits, fitted = floor(bench, images)
        plain = f1_score(labels, fitted.classes_[logits.argmax(axis=1)], average="macro")
        small = bench.train(images, backbone.LITE0)["evaluations"]["base"]["macro_f1"]
        again = splits(bench, images)
        print(f"macro-F1 on test, {backbone.HOSTED}                       {found['macro_f1']:7.4f}")
        print(
            f"  mean of {SPLITS} other splits of all images              {np.mean(again):7.4f}   ({min(again):.4f} to {max(again):.4f})"
        )
        print(f"  with rejection, as Rekognition counts              {found['answers']['f1']:7.4f}")
        print(f"  {backbone.LITE0}, as devices have it                       {small:7.4f}")
        print(f"  floor: plain regression on {backbone.LITE0}                {plain:7.4f}")
        print(f"expected calibration error on test                   {found['calibration']['ece']:7.4f}")
        left_out(bench, images, something_else())
        print(f"peak memory of the children so far                   {peak():7.0f} MB")
        seconds = bench.train(list(many(bench)))["seconds"]
        print(
            f"{MANY} labels of {EACH} images                              {seconds:7.1f} s   peak memory of the child {peak():.0f} MB"
        )


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


if __name__ == "__main__":
    main()
