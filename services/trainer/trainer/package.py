"""Completing the model package that devices run: `model.json` beside the graphs. `strop_edge.model` reads it."""

import base64
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from strop_edge import image, model
from strop_edge import manifest as described
from strop_wire import messages
from trainer import jobs
from trainer.backends import base

_SAMPLES = 3
_SAMPLE_SIDE = 128
_PATCHES = 5
_SAMPLE_QUALITY = 70


def write(job: jobs.Job, labels: Sequence[str], trained: base.Trained) -> dict[str, messages.ModelFile]:
    """Write `model.json` beside the graphs and load the package as a device will; returns hash and size of each file.

    The samples inside are synthetic, each with the probabilities of this model: a package has no image of anybody.
    """
    folder, manifest = job.output, job.output / messages.MANIFEST
    document = {
        **(trained.facts or {}),
        **job.model_dump(include={"version", "project", "dataset", "created_at", "backend"}),
        "labels": list(labels),
        "input": _input(trained.input),
        "graphs": trained.graphs,
        "thresholds": dict(zip(labels, trained.thresholds, strict=True)),
        "assumed_thresholds": dict(zip(labels, trained.assumed, strict=True)),
        "novelty": None if trained.novelty is None else {"threshold": trained.novelty},
        "files": {name: asdict(_file(folder / name)) for name in trained.files},
        "samples": [],
    }
    if trained.rebuilt:
        document["rebuilt"] = {name: _rebuilt(each) for name, each in trained.rebuilt.items()}
    manifest.write_text(json.dumps(document))
    loaded = model.Model(folder)
    document["samples"] = [_sample(loaded, number) for number in range(_SAMPLES)]
    manifest.write_text(json.dumps(document))
    model.Model(folder).self_test()
    return {name: _file(folder / name) for name in (messages.MANIFEST, *trained.files)}


def _rebuilt(each: described.Rebuilt) -> dict[str, Any]:
    return {"base": each.base, "delta": each.delta, **asdict(each.result)}


def _input(wanted: image.Input) -> dict[str, Any]:
    """Leave out what has its default, so that agents that do not have the field accept the model."""
    return {each.name: value for each in fields(wanted) if (value := getattr(wanted, each.name)) != each.default}


def _sample(loaded: model.Model, number: int) -> dict[str, object]:
    """Smooth patches of random colours, the same for the same number: edges and gradients in every channel."""
    patches = np.random.default_rng(number).integers(0, 256, (_PATCHES, _PATCHES, 3), dtype=np.uint8)
    body = io.BytesIO()
    picture = Image.fromarray(patches).resize((_SAMPLE_SIDE * 4 // 3, _SAMPLE_SIDE), Image.Resampling.BICUBIC)
    picture.save(body, "JPEG", quality=_SAMPLE_QUALITY)
    row = loaded.predict(loaded.prepare(body.getvalue())[None])[0]
    return {"jpeg": base64.b64encode(body.getvalue()).decode(), "probabilities": [round(float(p), 6) for p in row]}


def _file(path: Path) -> messages.ModelFile:
    data = path.read_bytes()
    return messages.ModelFile(hashlib.sha256(data).hexdigest(), len(data))
