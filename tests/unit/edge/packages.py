"""Tiny models in the real package format: they tell red, green and blue images apart."""

import base64
import hashlib
import io
import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from strop_edge import delta
from strop_wire import messages
from trainer import signing

LABELS = ("red", "green", "blue")
FEATURES = 1280
# Three directions of length 1 at right angles: what the backbone lays the mean colour into, and the head reads it from.
DIRECTIONS = np.linalg.qr(np.random.default_rng(7).normal(size=(FEATURES, 3)))[0].T.astype(np.float32)


def _features(axes: tuple[int, int] = (1, 2)) -> list[Any]:
    """Mean colour -> 1280 features of length 1."""
    return [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["pixels", "one"], ["lifted"]),  # black must have a length, too
        helper.make_node("ReduceMean", ["lifted"], ["colour"], axes=axes, keepdims=0),
        helper.make_node("MatMul", ["colour", "directions"], ["laid"]),
        helper.make_node("LpNormalization", ["laid"], ["features"], axis=1, p=2),
    ]


def backbone(size: int = 224) -> bytes:
    """A first graph; only with a size of 224 does it take uint8 in the order of Strop's own backbones."""
    nodes = _features() if size == 224 else _features((2, 3))
    images = _images(size)
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", FEATURES])
    constants = {"one": np.ones(1, np.float32), "directions": DIRECTIONS}
    return _model(nodes, images, features, constants)


def _images(size: int) -> Any:
    if size == 224:
        return helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", size, size, 3])
    return helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, size, size])


def head(
    scale: float = 10.0, labels: int = 3, offset: float = 0.0, *, novelty: bool = False, joined: bool = False
) -> bytes:
    """Softmax over how red, green and blue it is; a larger scale makes it surer, `offset` is added afterwards.

    With `novelty`, a second output: how much it lacks of any of them. `joined`: with the first graph before it, in one file.
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
    if joined:
        constants |= {"one": np.ones(1, np.float32), "directions": DIRECTIONS}
        return _model([*_features(), *nodes], _images(224), probabilities, constants)
    if not novelty:
        return _model(nodes, features, probabilities, constants)
    nodes += [
        helper.make_node("ReduceMax", ["logits"], ["most"], axes=[1], keepdims=0),
        helper.make_node("Sub", ["whole", "most"], ["lacking"]),
        helper.make_node("Add", ["lacking", "offset"], ["novelty"]),
    ]
    return _model(nodes, features, probabilities, constants, helper.make_tensor_value_info("novelty", 1, ["n"]))


def endless(least: float = -100.0) -> bytes:
    """A head that never ends for images of which one of the three values is larger than `least`; black has 5.8 at most."""
    value, flag = helper.make_tensor_value_info, TensorProto.BOOL
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Identity", ["old"], ["new"])],
        "body",
        [value("i", TensorProto.INT64, []), value("go", flag, []), value("old", TensorProto.FLOAT, None)],
        [value("on", flag, []), value("new", TensorProto.FLOAT, None)],
    )
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["logits"]),
        helper.make_node("ReduceMax", ["logits"], ["most"], keepdims=0),
        helper.make_node("Greater", ["most", "least"], ["large"]),
        helper.make_node("Loop", ["", "large", "logits"], ["looped"], body=body),
        helper.make_node("Softmax", ["looped"], ["probabilities"], axis=1),
    ]
    features = value("features", TensorProto.FLOAT, ["n", FEATURES])
    constants = {"weights": DIRECTIONS.T * 10, "least": np.array(least, np.float32)}
    return _model(nodes, features, value("probabilities", TensorProto.FLOAT, ["n", 3]), constants)


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
        return messages.Desired(deployment, self.version, self.files, policy or messages.Policy(version=1))


def with_signature(package: Package, signature: bytes) -> Package:
    return replace(package, contents=package.contents | {messages.SIGNATURE: signature})


def signed(package: Package, private: Path, project: str) -> Package:
    """The package with a signature by the keys of a file."""
    with tempfile.TemporaryDirectory() as folder:
        written = package.write(Path(folder))
        signing.Signer(private).sign(project, package.version, written)
        return with_signature(package, (written / messages.SIGNATURE).read_bytes())


def package(version: str = "v1", scale: float = 10.0, *, backbone: bytes = BACKBONE, **changes: Any) -> Package:
    """A package; `changes` replace keys of model.json, or the head with `head=`."""
    head_bytes = changes.pop("head", None) or head(scale)
    parts = changes.pop("parts", None) or {"backbone.onnx": backbone, "head.onnx": head_bytes}
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


def whole(version: str = "v1", scale: float = 10.0, **changes: Any) -> Package:
    """The same model in one ONNX file: no head of its own."""
    return package(
        version, scale, **{"parts": {"model.onnx": head(scale, joined=True)}, "graphs": ["model.onnx"], **changes}
    )


def rebuilt(version: str = "v1", scale: float = 10.0, **changes: Any) -> Package:
    """Its first graph is not a file: a device rebuilds it from the shared backbone and a delta, which turns the directions a little."""
    start = BACKBONE.index(DIRECTIONS.tobytes())
    end, shape = start + DIRECTIONS.nbytes, DIRECTIONS.shape
    steps = np.random.default_rng(3).integers(-7, 8, shape)
    pieces = [["copy", 0, start], ["tune", start, *shape], ["copy", end, len(BACKBONE) - end]]
    shipped = delta.pack(pieces, np.full(shape[0], 1e-3, np.float32).tobytes() + delta.packed(steps))
    graph = delta.rebuild(BACKBONE, shipped, len(BACKBONE))
    result = {"sha256": hashlib.sha256(graph).hexdigest(), "size": len(graph)}
    about = {
        "parts": {"backbone.onnx": BACKBONE, "tail.delta": shipped, "head.onnx": head(scale)},
        "graphs": ["tuned.onnx", "head.onnx"],
        "rebuilt": {"tuned.onnx": {"base": "backbone.onnx", "delta": "tail.delta", **result}},
        "samples": [],
    }
    return package(version, scale, **{**about, **changes})


def larger(version: str = "v1", scale: float = 10.0, **changes: Any) -> Package:
    """Like EfficientNet-Lite2: 260 pixels, channels first, scaled by mean and std; the second file has another name, too."""
    parts = {"trunk.onnx": backbone(260), "top.onnx": head(scale)}
    wanted = {
        "size": 260,
        "resize": 292,
        "filter": "bilinear",
        "layout": "nchw",
        "mean": [0.0] * 3,
        "std": [1 / 255] * 3,
    }
    return package(version, scale, **{"parts": parts, "graphs": ["trunk.onnx", "top.onnx"], "input": wanted, **changes})
