"""Models that do harm although they pass every check of a package: they install, and answer."""

import base64
import io
from typing import Any

import numpy as np
from onnx import TensorProto, helper
from PIL import Image

from tests.unit.edge import packages

SURE = 60.0
"""Scale of an overconfident model."""
UNSURE = 4.0
"""Scale of a model whose confidences are about 0.6 to 0.8."""


def always_red() -> bytes:
    """A head that sees the same in every image."""
    weights = np.zeros((packages.FEATURES, 3), np.float32)
    weights[:, 0] = packages.DIRECTIONS.sum(0)
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", packages.FEATURES])
    probabilities = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 3])
    return packages._model(nodes, features, probabilities, {"weights": weights})


def slow(filters: int = 128) -> bytes:
    """A first graph that convolves the image for nothing: some hundred million multiplications more."""
    pixels, *rest = packages._features()
    nodes = [
        pixels,
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "filters"], ["convolved"], pads=[3, 3, 3, 3]),
        helper.make_node("ReduceMean", ["convolved"], ["nothing"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Add", ["pixels", "nothing"], ["unchanged"]),
        *(_instead(node, "pixels", "unchanged") for node in rest),
    ]
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", packages.FEATURES])
    constants = {
        "one": np.ones(1, np.float32),
        "directions": packages.DIRECTIONS,
        "filters": np.zeros((filters, 3, 7, 7), np.float32),
    }
    return packages._model(nodes, packages._images(224), features, constants)


def _instead(node: Any, name: str, other: str) -> Any:
    inputs = [other if each == name else each for each in node.input]
    return helper.make_node(
        node.op_type, inputs, node.output, **{a.name: helper.get_attribute_value(a) for a in node.attribute}
    )


def sample(scores: tuple[float, float, float]) -> dict[str, Any]:
    """What a model with these logits for a red image says to it."""
    shares = np.exp(scores) / np.exp(scores).sum()
    return {"jpeg": base64.b64encode(packages.RED).decode(), "probabilities": shares.tolist()}


def colour_sum() -> float:
    """The logit of `always_red` for a red image."""
    colour = np.asarray(Image.open(io.BytesIO(packages.RED)), np.float32).mean((0, 1)) + 1
    return float((colour / np.linalg.norm(colour)).sum())


def fleet_packages() -> dict[str, packages.Package]:
    """Package by what it does: the first model, a good second one, and three that do harm."""
    return {
        "first": packages.package("v1", UNSURE),
        "good": packages.package("v2", UNSURE * 1.05),
        "labels": packages.package("v3", head=always_red(), samples=[sample((colour_sum(), 0.0, 0.0))]),
        "doubt": packages.package("v4", SURE),
        "slower": packages.package("v5", UNSURE, backbone=slow()),
    }
