"""Writing the model package that devices run: `model.json`, `head.onnx`, `backbone.onnx`. `strop_edge.model` reads it."""

import base64
import hashlib
import io
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from strop_edge import image, model
from strop_image import sandbox
from strop_wire import messages
from trainer import head

_SAMPLE_SIDE = 128
_SAMPLE_QUALITY = 70


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model comes from; written into it."""

    version: str  # "v3"
    project: str
    dataset: str  # the dataset version it was trained on
    created_at: str  # ISO 8601
    backbone: str  # its name in `trainer.backbone.KINDS`


def write(
    folder: Path,
    source: Source,
    labels: Sequence[str],
    trained: head.Head,
    backbone: Path,
    samples: Sequence[Path],
) -> dict[str, messages.ModelFile]:
    """Write the package into a new folder and load it as a device will; returns hash and size of each of its files.

    `samples` are images that travel inside, made small, each with what this very model says to it.
    """
    folder.mkdir(parents=True)
    (folder / "head.onnx").write_bytes(head.export(trained))
    shutil.copyfile(backbone, folder / "backbone.onnx")
    document = {
        **asdict(source),
        "labels": list(labels),
        "input": {"size": image.STANDARD.size, "resize": image.STANDARD.resize},
        "graphs": ["backbone.onnx", "head.onnx"],
        "temperature": trained.temperature,
        "strength": trained.strength,
        "thresholds": dict(zip(labels, trained.thresholds, strict=True)),
        "assumed_thresholds": dict(zip(labels, trained.assumed, strict=True)),
        "novelty": None if trained.novelty is None else {"threshold": trained.novelty},
        "files": {name: asdict(_file(folder / name)) for name in ("backbone.onnx", "head.onnx")},
        "samples": [],
    }
    manifest = folder / "model.json"
    manifest.write_text(json.dumps(document))
    loaded = model.Model(folder)
    document["samples"] = [_sample(loaded, path) for path in samples]
    manifest.write_text(json.dumps(document))
    model.Model(folder).self_test()
    return {name: _file(folder / name) for name in (messages.MANIFEST, "head.onnx", "backbone.onnx")}


def _sample(loaded: model.Model, path: Path) -> dict[str, object]:
    picture = sandbox.shared().decode(path.read_bytes())
    picture.thumbnail((_SAMPLE_SIDE * 4, _SAMPLE_SIDE))
    body = io.BytesIO()
    picture.save(body, "JPEG", quality=_SAMPLE_QUALITY)
    row = loaded.predict(loaded.prepare(body.getvalue())[None])[0]
    return {"jpeg": base64.b64encode(body.getvalue()).decode(), "probabilities": [round(float(p), 6) for p in row]}


def _file(path: Path) -> messages.ModelFile:
    data = path.read_bytes()
    return messages.ModelFile(hashlib.sha256(data).hexdigest(), len(data))
