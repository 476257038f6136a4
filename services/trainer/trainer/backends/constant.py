"""The backend that learns nothing: every image gets the shares of the labels. An example of the interface, and the double of tests.

The gate refuses its models: they do not beat a constant prediction.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from strop_edge import image
from strop_image import decoder, sandbox
from trainer import backbone, jobs
from trainer.backends import base

GRAPH = "model.onnx"


class ConstantBackend:
    """Writes one graph, without features and without novelty."""

    def prepare(self, images: Sequence[jobs.Item], cache: Path, progress: base.Progress) -> dict[str, str]:  # noqa: ARG002
        bad = {}
        for done, item in enumerate(images, 1):
            try:
                sandbox.shared().decode(item.path.read_bytes())
            except decoder.BadImage as error:
                bad[item.sha256] = str(error)
            progress("decode", done, len(images))
        return bad

    def train(self, request: base.Request, progress: base.Progress) -> base.Trained:  # noqa: ARG002 - done at once
        counts = Counter(item.label for item in request.images)
        shares = [counts[label] / len(request.images) for label in request.labels]
        (request.folder / GRAPH).write_bytes(_graph(shares))
        count = len(request.labels)
        return base.Trained((GRAPH,), image.STANDARD, (0.0,) * count, (0.5,) * count)


def _graph(shares: Sequence[float]) -> bytes:
    """Write a graph that gives these probabilities for every image: the logarithms are the bias, and the weight is 0."""
    constants = [
        numpy_helper.from_array(np.zeros((1, len(shares)), np.float32), "weight"),
        numpy_helper.from_array(np.log(np.asarray(shares, np.float32)), "bias"),
    ]
    nodes = [
        helper.make_node("Cast", ["image"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["values"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("ReduceMean", ["means"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Gemm", ["mean", "weight", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    side = image.STANDARD.size
    taken = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", side, side, 3])
    given = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(shares)])
    graph = helper.make_graph(nodes, "constant", [taken], [given], constants)
    opset = [helper.make_opsetid("", backbone.OPSET)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=backbone.IR).SerializeToString())


def build(options: Mapping[str, Any]) -> ConstantBackend:
    """Make the backend; ValueError because it has no options."""
    if options:
        raise ValueError(f"the backend constant has no option {', '.join(options)}")
    return ConstantBackend()
