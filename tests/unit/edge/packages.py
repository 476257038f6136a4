"""Tiny models in the real package format: they tell red, green and blue images apart."""

import base64
import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from strop_wire import messages

LABELS = ("red", "green", "blue")
FEATURES = 1280
# Three directions of length 1 at right angles: what the backbone lays the mean colour into, and the head reads it from.
DIRECTIONS = np.linalg.qr(np.random.default_rng(7).normal(size=(FEATURES, 3)))[0].T.astype(np.float32)


def backbone() -> bytes:
    """Mean colour -> 1280 features of length 1."""
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["pixels", "one"], ["lifted"]),  # black must have a length, too
        helper.make_node("ReduceMean", ["lifted"], ["colour"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["colour", "directions"], ["laid"]),
        helper.make_node("LpNormalization", ["laid"], ["features"], axis=1, p=2),
    ]
    images = helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 224, 224, 3])
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", FEATURES])
    constants = {"one": np.ones(1, np.float32), "directions": DIRECTIONS}
    return _model(nodes, images, features, constants)


def head(scale: float = 10.0, labels: int = 3, offset: float = 0.0, *, novelty: bool = False) -> bytes:
    """Softmax over how red, green and blue it is; a larger scale makes it surer, `offset` is added afterwards.

    With `novelty`, a second output: how much it lacks of any of them.
    """
    weights = np.zeros((FEATURES, labels), np.float32)
    weights[:, :3] = DIRECTIONS.T * scale
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["shares"], axis=1),
        helper.make_node("Add", ["shares", "offset"], ["probabilities"]),
    ]
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", FEATURES])
    probabilities = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", labels])
    constants = {"weights": weights, "offset": np.full(1, offset, np.float32), "whole": np.full(1, scale, np.float32)}
    if not novelty:
        return _model(nodes, features, probabilities, constants)
    nodes += [
        helper.make_node("ReduceMax", ["logits"], ["most"], axes=[1], keepdims=0),
        helper.make_node("Sub", ["whole", "most"], ["lacking"]),
        helper.make_node("Add", ["lacking", "offset"], ["novelty"]),
    ]
    return _model(nodes, features, probabilities, constants, helper.make_tensor_value_info("novelty", 1, ["n"]))


def _model(nodes: list[Any], source: Any, target: Any, constants: dict[str, Any], *others: Any) -> bytes:
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "test", [source], [target, *others], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


BACKBONE = backbone()


def picture(red: int, green: int, blue: int, size: tuple[int, int] = (300, 260), form: str = "JPEG") -> bytes:
    """An image of one colour, encoded."""
    return encoded(Image.new("RGB", size, (red, green, blue)), form)


def encoded(image: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


RED = picture(250, 10, 10)
GREEN = picture(10, 250, 10)
GREY = picture(120, 120, 120)


@dataclass(frozen=True)
class Package:
    version: str
    contents: dict[str, bytes]  # by file name

    @property
    def files(self) -> dict[str, messages.ModelFile]:
        return {
            name: messages.ModelFile(hashlib.sha256(data).hexdigest(), len(data))
            for name, data in self.contents.items()
        }

    @property
    def by_hash(self) -> dict[str, bytes]:
        return {hashlib.sha256(data).hexdigest(): data for data in self.contents.values()}

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in self.contents.items():
            (folder / name).write_bytes(data)
        return folder

    def desired(self, deployment: str = "d1", policy: messages.Policy | None = None) -> messages.Desired:
        files = {name: self.files[name] for name in messages.MODEL_FILES}
        return messages.Desired(deployment, self.version, files, policy or messages.Policy(version=1))


def package(version: str = "v1", scale: float = 10.0, *, backbone: bytes = BACKBONE, **changes: Any) -> Package:
    """A package; `changes` replace keys of model.json, or the head with `head=`."""
    head_bytes = changes.pop("head", None) or head(scale)
    parts = {"backbone.onnx": backbone, "head.onnx": head_bytes}
    manifest = {
        "version": version,
        "labels": list(LABELS),
        "input": {"size": 224, "resize": 256},
        "temperature": 1.0,
        "thresholds": {},
        "novelty": None,
        "files": {n: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for n, data in parts.items()},
        "samples": [sample(RED, scale)],
        **changes,
    }
    return Package(version, {"model.json": json.dumps(manifest).encode(), **parts})


def sample(jpeg: bytes, scale: float = 10.0) -> dict[str, Any]:
    """What the model of this scale says to an image of one colour."""
    colour = np.asarray(Image.open(io.BytesIO(jpeg)), np.float32).mean((0, 1)) + 1
    shares = np.exp(colour / np.linalg.norm(colour) * scale)
    return {"jpeg": base64.b64encode(jpeg).decode(), "probabilities": (shares / shares.sum()).tolist()}
