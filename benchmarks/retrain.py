"""How long retraining with 1,000 new labels takes once their features are cached: the whole child process, as in production.

Floor: one plain fit of logistic regression on the same cached features. The rest is choosing the penalty out of fold,
calibration, packaging, self-test, and judging two models on the held-out images.
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from strop_devstack import render
from trainer import backbone, features, views

BASE, FIELD = 60, 200
"""Images per label: 300 base and 1,000 field images with the five labels of the renderer."""


def item(folder: Path, label: str, seed: int, origin: str) -> dict[str, Any]:
    data = render.render(label, seed, field=origin == "field")
    sha256 = hashlib.sha256(data).hexdigest()
    (folder / sha256).write_bytes(data)
    held = seed % 5 == 0
    part = ("golden" if origin == "field" else "valid") if held else "train"
    group = sha256 if origin == "base" else f"line-{seed % 12}/day"
    return {
        "sha256": sha256,
        "path": str(folder / sha256),
        "label": label,
        "part": part,
        "origin": origin,
        "group": group,
    }


def train(work: Path, name: str, images: list[dict[str, Any]], champion: Path | None) -> float:
    """Run the child process; seconds."""
    job = {
        "project": "bench",
        "version": name,
        "created_at": "2026-01-01T00:00:00+00:00",
        "dataset": "1",
        "cache": str(work / "cache"),
        "output": str(work / name),
        "champion": str(champion) if champion else None,
        "images": images,
    }
    spec = work / f"{name}.json"
    spec.write_text(json.dumps(job))
    began = time.perf_counter()
    command = [sys.executable, "-m", "trainer.training", str(spec), str(work / f"{name}-result.json")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def fit(work: Path, images: list[dict[str, Any]]) -> float:
    """Seconds of the floor."""
    labels = sorted(render.LABELS)
    rows = [(each, view) for each in images if each["part"] == "train" for view in views.TRAINING[each["origin"]]]
    with features.Cache(
        work / "cache/features.sqlite", backbone.ensure(work / "cache/backbones"), backbone.SHA256
    ) as cache:
        wanted = [features.View(each["sha256"], Path(each["path"]), view) for each, view in rows]
        found = cache.get(wanted, lambda _done, _total: None)
    truth = np.array([labels.index(each["label"]) for each, _ in rows])
    began = time.perf_counter()
    with threadpool_limits(1):
        LogisticRegression(C=10, class_weight="balanced", max_iter=1000, tol=1e-3).fit(found, truth)
    return time.perf_counter() - began


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "images").mkdir()
        base = [item(work / "images", label, seed, "base") for label in render.LABELS for seed in range(BASE)]
        field = [item(work / "images", label, seed, "field") for label in render.LABELS for seed in range(FIELD)]
        first = train(work, "v1", base, None)
        cold = train(work, "v2", [*base, *field], work / "v1")
        warm = train(work, "v3", [*base, *field], work / "v1")
        floor = fit(work, [*base, *field])
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"first model, {len(base)} base images, nothing cached       {first:7.2f} s")
    print(f"retrain with {len(field)} new field images, not cached      {cold:7.2f} s")
    print(f"retrain with {len(field)} new field images, features cached {warm:7.2f} s")
    print(f"floor: one plain fit                                  {floor:7.2f} s   ratio {warm / floor:.2f}")
    print(f"peak memory of the child                              {peak:7.0f} MB")


if __name__ == "__main__":
    main()
