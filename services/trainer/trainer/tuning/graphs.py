"""A backbone cut in two: the trunk stays as it is, the tail is tuned. Both are read from and written to its ONNX file.

The cut is behind the first stage whose pooled output is among the features.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Floats = NDArray[np.float32]
Tensors = Mapping[str, Floats]
"""Weights and biases of convolutions by the names that they have in the backbone; batch norms are folded in."""

TUNED = "tuned/"
"""Before the names of the second tail of an averaged model."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The nodes of a graph before and behind the cut, and the tensor that connects them."""

    tensor: str
    trunk: list[onnx.NodeProto]
    tail: list[onnx.NodeProto]

    @property
    def constants(self) -> list[str]:
        """Names of the weights and biases of the tail."""
        return [name for node in self.tail if node.op_type == "Conv" for name in node.input[1:]]


def cut(graph: onnx.GraphProto) -> Cut:
    """Cut a graph behind the tensor that is pooled first."""
    nodes = list(graph.node)
    tensor = next(node.input[0] for node in nodes if node.op_type == "GlobalAveragePool")
    end = 1 + next(number for number, node in enumerate(nodes) if tensor in node.output)
    return Cut(tensor, nodes[:end], nodes[end:])


def trunk(backbone: bytes) -> bytes:
    """Return a graph from `image` to `features`: the activations at the cut as float16 [N, values]."""
    whole = onnx.load_from_string(backbone)
    before = cut(whole.graph)
    nodes = [
        *before.trunk,
        helper.make_node("Flatten", [before.tensor], ["flat"]),
        helper.make_node("Cast", ["flat"], ["features"], to=TensorProto.FLOAT16),
    ]
    used = {name for node in nodes for name in node.input}
    constants = [each for each in whole.graph.initializer if each.name in used]
    given = helper.make_tensor_value_info("features", TensorProto.FLOAT16, ["N", None])
    graph = helper.make_graph(nodes, "trunk", whole.graph.input, [given], constants)
    return _dumps(helper.make_model(graph, opset_imports=whole.opset_import, ir_version=whole.ir_version))


def tail(model: bytes) -> dict[str, Floats]:
    """Return the tensors of the tail: of the tuned one where a model has two."""
    graph = onnx.load_from_string(model).graph
    constants = {each.name: each for each in graph.initializer}
    names = dict.fromkeys(name.removeprefix(TUNED) for name in cut(graph).constants)
    return {name: numpy_helper.to_array(constants.get(TUNED + name, constants[name])) for name in names}


def tuned(backbone: bytes, tensors: Tensors) -> bytes:
    """Return the backbone with other values in its tail."""
    model = onnx.load_from_string(backbone)
    for each in model.graph.initializer:
        if each.name in tensors:
            each.CopyFrom(numpy_helper.from_array(tensors[each.name], each.name))
    return _dumps(model)


def doubled(backbone: bytes, tensors: Tensors) -> bytes:
    """Return the backbone with a second tail behind the same trunk. Its features follow those of the first one."""
    model = onnx.load_from_string(backbone)
    graph = model.graph
    behind = cut(graph)
    own = {name for node in behind.tail for name in node.output} | set(tensors)
    for node in behind.tail:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.input[:] = [TUNED + name if name in own else name for name in node.input]
        copy.output[:] = [TUNED + name for name in node.output]
        graph.node.append(copy)
    behind.tail[-1].output[0] = "first"
    graph.node.append(helper.make_node("Concat", ["first", TUNED + "features"], ["features"], axis=1))
    graph.initializer.extend(numpy_helper.from_array(value, TUNED + name) for name, value in tensors.items())
    width = graph.output[0].type.tensor_type.shape.dim[1]
    width.dim_value *= 2
    return _dumps(model)


def _dumps(model: onnx.ModelProto) -> bytes:
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))
