"""What fine-tuning gains over the head, and what it costs: both backends on the same images, without the services.

    python -m benchmarks.finetune --images trashnet/             a folder tree <label>/…; without it, rendered images
    python -m benchmarks.finetune --images trashnet/ --clean     80 % of the images to learn from, 20 % held out, no field

The images are split as in the demo (base, field with a simulated field camera, held out); --field of the field images, drawn by
--seed, have labels. Accuracy is that of the packages, with a device's code; "tail alone" is the second half of the mixed
package. Needs the extra `finetune`.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from strop_devstack.demo import images
from strop_edge import image, model
from trainer import jobs

Item = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A training, with all of its child process; CPU and wall in seconds, peak memory in MB."""

    package: Path
    result: jobs.Result
    wall: float
    cpu: float
    peak: float


def item(file: Path, label: str, part: str, origin: str) -> Item:
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    about = {"sha256": sha256, "path": str(file), "group": sha256}
    return {**about, "label": label, "part": part, "origin": origin}


def shifted(folder: Path, tree: Path | None, count: int, seed: int) -> list[Item]:
    """The demo's split: base images, `count` field images with a label, and held-out ones."""
    prepared = images.prepare(folder, tree, lambda *_: None)
    field = sorted((prepared.folder / "field").glob("*/*"))
    drawn = [field[row] for row in np.random.default_rng(seed).permutation(len(field))[:count]]
    places = {("base/train", "train", "base"), ("base/valid", "valid", "base"), ("heldout", "golden", "field")}
    found = [
        item(file, file.parent.name, part, origin)
        for place, part, origin in sorted(places)
        for file in sorted((prepared.folder / place).glob("*/*"))
    ]
    return [*found, *(item(file, file.parent.name, "train", "field") for file in drawn)]


def clean(tree: Path, seed: int) -> list[Item]:
    """80 % to learn from, 20 % held out."""
    files = sorted(tree.glob("*/*"))
    held = set(np.random.default_rng(seed).permutation(len(files))[: len(files) // 5].tolist())
    return [item(file, file.parent.name, "valid" if row in held else "train", "base") for row, file in enumerate(files)]


def train(work: Path, backend: str, items: list[Item], options: dict[str, Any]) -> Run:
    """Run the child process, as the service does."""
    output = work / backend / "package"
    output.parent.mkdir()
    spec, result = work / f"{backend}.json", work / f"{backend}-result.json"
    about = {"project": "bench", "version": "v1", "created_at": "2026-01-01T00:00:00+00:00", "dataset": "1"}
    job = {**about, "cache": str(work / "cache"), "output": str(output), "images": items}
    spec.write_text(json.dumps({**job, "backend": backend, "options": options}))
    began = time.perf_counter()
    command = [sys.executable, "-m", "trainer.training", str(spec), str(result)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, backend
    found = jobs.Result.model_validate_json(result.read_bytes())
    wall, cpu = time.perf_counter() - began, used.ru_utime + used.ru_stime
    return Run(output, found, wall, cpu, used.ru_maxrss / 1024)


def alone(package: Path, items: list[Item]) -> dict[str, float]:
    """Accuracy of the tuned tail of a mixed package by origin."""
    loaded = model.Model(package)
    head = onnx.load(package / "head.onnx")
    weights, bias = (
        numpy_helper.to_array(next(each for each in head.graph.initializer if each.name == name))
        for name in ("second_weights", "second_bias")
    )
    right: dict[str, list[bool]] = {"base": [], "field": []}
    for each in items:
        if each["part"] != "train":
            features = loaded.features(image.load(Path(each["path"]).read_bytes())[None])[0]
            best = int((weights @ features[-weights.shape[1] :] + bias).argmax())
            right[each["origin"]].append(loaded.labels[best] == each["label"])
    return {origin: float(np.mean(values)) for origin, values in right.items() if values}


def latency(packages: dict[str, Path], rounds: int = 200) -> dict[str, float]:
    """CPU milliseconds of one image on one thread; the packages take turns."""
    pixels = np.zeros((1, 224, 224, 3), np.uint8)
    models = {name: model.Model(package) for name, package in packages.items()}
    spent: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(rounds):
        for name, loaded in models.items():
            began = time.process_time()
            loaded.assess(pixels)
            spent[name].append(time.process_time() - began)
    return {name: 1000 * float(np.median(each)) for name, each in spent.items()}


def percent(run: Run, origin: str) -> str:
    found = run.result.evaluations.get(origin)  # type: ignore[call-overload]
    if not found or not found.accuracy:
        return "none"
    ece = f", ECE {found.calibration.ece:.3f}" if found.calibration.ece is not None else ""
    return f"{100 * found.accuracy.value:.1f}{ece}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--clean", action="store_true")
    parser.add_argument("--field", type=int, default=357)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", type=json.loads, default={}, help="options of the backend, as JSON")
    parser.add_argument("--work", type=Path, help="keep the packages and caches here")
    options = parser.parse_args()
    if importlib.util.find_spec("torch") is None:
        print("left out: PyTorch, the extra `finetune`, is not installed")
        return
    with tempfile.TemporaryDirectory(prefix="strop-finetune-") as folder:
        work = options.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        items = (
            clean(options.images, options.seed)
            if options.clean
            else shifted(work / "images", options.images, options.field, options.seed)
        )
        runs = {"head": train(work, "head", items, {}), "finetune": train(work, "finetune", items, options.set)}
        cost = latency({name: run.package for name, run in runs.items()})
        print("| backend | held-out field % | clean % | seconds | CPU s | peak MB | over the air KB | ms CPU |")
        print("|---|---|---|---|---|---|---|---|")
        for name, run in runs.items():
            sent = sum(file.size for each, file in run.result.files.items() if each != run.result.shared) / 1024
            figures = f"{run.wall:.0f} | {run.cpu:.0f} | {run.peak:.0f} | {sent:.0f} | {cost[name]:.1f}"
            print(f"| {name} | {percent(run, 'field')} | {percent(run, 'base')} | {figures} |")
        tail = alone(runs["finetune"].package, items)
        print(f"tail alone: {', '.join(f'{origin} {100 * value:.1f} %' for origin, value in tail.items())}")
        print(f"latency of finetune to head: {cost['finetune'] / cost['head']:.2f}")


if __name__ == "__main__":
    main()
