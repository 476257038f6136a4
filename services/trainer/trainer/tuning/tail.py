"""The tail of EfficientNet-Lite0 in PyTorch: activations at the cut -> features, as the backbone's ONNX file computes them.

Batch norms stay in evaluation mode: mean and variance are those of the checkpoint, scale and offset are tuned. They are folded
into the convolutions at every call, so the same code runs the tail while it is tuned and as it is shipped.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from trainer import backbone, weights
from trainer.tuning.graphs import Floats, Tensors

Tensor = Any  # of torch, which need not be installed where types are checked
Folded = Callable[[str], tuple[Tensor, Tensor]]
"""Weight and bias of a convolution by name."""

KIND = backbone.KINDS[backbone.LITE0]
NETWORK = KIND.networks[0]
_TAPS = NETWORK.taps(KIND.stages)
BLOCKS = range(min(_TAPS) + 1, sum(NETWORK.stages))
CHANNELS, SIDE = 112, 14  # of the activations
_EPSILON = 1e-3
_NORMS = {"_expand_conv": "_bn0", "_depthwise_conv": "_bn1", "_project_conv": "_bn2", "_conv_head": "_bn1"}


def device() -> str:
    """Return where to compute: a GPU where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def limit(threads: int) -> None:
    """Compute with so many threads; another number rounds otherwise."""
    torch.set_num_threads(threads)


def names() -> list[str]:
    """The convolutions of the tail."""
    return [f"_blocks.{block}.{conv}" for block in BLOCKS for conv in list(_NORMS)[:3]] + ["_conv_head"]


def features(activations: Tensor, folded: Folded) -> Tensor:
    """[N, CHANNELS, SIDE, SIDE] -> [N, features], of length 1."""
    found, taps = activations, [activations]
    for block in BLOCKS:
        found = _block(found, f"_blocks.{block}.", NETWORK.strides[block], folded)
        if block in _TAPS:
            taps.append(found)
    taps.append(_convolved(found, folded("_conv_head")).clamp(0, 6))
    parts = [functional.normalize(tap.mean((2, 3))) for tap in taps]
    return functional.normalize(torch.cat(parts, 1))


def _block(before: Tensor, prefix: str, stride: int, folded: Folded) -> Tensor:
    found = _convolved(before, folded(f"{prefix}_expand_conv")).clamp(0, 6)
    found = _convolved(found, folded(f"{prefix}_depthwise_conv"), stride).clamp(0, 6)
    found = _convolved(found, folded(f"{prefix}_project_conv"))
    return found + before if found.shape == before.shape else found


def _convolved(before: Tensor, folded: tuple[Tensor, Tensor], stride: int = 1) -> Tensor:
    weight, bias = folded
    kernel = weight.shape[-1]
    start = (kernel - stride) // 2
    end = kernel - stride - start
    groups = len(weight) if weight.shape[1] == 1 else 1
    if start == end:
        return functional.conv2d(before, weight, bias, stride, start, groups=groups)
    return functional.conv2d(functional.pad(before, [start, end] * 2), weight, bias, stride, groups=groups)


def fixed(tensors: Tensors, device: str) -> Folded:
    """Return the tail of a graph, as it is."""
    held = {name: torch.from_numpy(np.array(value)).to(device) for name, value in tensors.items()}
    return lambda name: (held[f"{name}.weight"], held[f"{name}.bias"])


class Tunable:
    """The parameters of a tail that is being tuned."""

    def __init__(self, start: Tensors, device: str) -> None:
        """`start` are the folded tensors of the backbone or of a tuned model."""
        checkpoint = weights.read(NETWORK.source)
        self.convolutions: dict[str, Tensor] = {}
        self.scales: dict[str, Tensor] = {}
        self.offsets: dict[str, Tensor] = {}
        self._means: dict[str, Tensor] = {}
        self._spreads: dict[str, Tensor] = {}
        for name in names():
            gamma, mean, variance = (
                _norm(checkpoint, name, part) for part in ("weight", "running_mean", "running_var")
            )
            spread = np.sqrt(variance + _EPSILON)
            scale = gamma / spread
            offset = start[f"{name}.bias"] + mean * scale
            convolution = start[f"{name}.weight"] / scale[:, None, None, None]
            self.convolutions[name] = _parameter(convolution, device)
            self.scales[name], self.offsets[name] = _parameter(gamma, device), _parameter(offset, device)
            self._means[name], self._spreads[name] = (_tensor(value, device) for value in (mean, spread))

    def folded(self, name: str) -> tuple[Tensor, Tensor]:
        scale = self.scales[name] / self._spreads[name]
        return self.convolutions[name] * scale[:, None, None, None], self.offsets[name] - self._means[name] * scale

    @property
    def parameters(self) -> list[Tensor]:
        return [each for kind in (self.convolutions, self.scales, self.offsets) for each in kind.values()]

    def tensors(self) -> dict[str, Floats]:
        """Return the folded tensors."""
        found = {}
        with torch.no_grad():
            for name in names():
                for part, value in zip(("weight", "bias"), self.folded(name), strict=True):
                    found[f"{name}.{part}"] = np.array(value.cpu().numpy(), np.float32)
        return found


def compute(batches: Iterable[Floats], folded: Folded, device: str) -> Iterator[Floats]:
    """Activations [N, values] -> features [N, features], batch by batch."""
    with torch.inference_mode():
        for batch in batches:
            yield features(shaped(batch, device), folded).cpu().numpy()


def shaped(batch: Floats, device: str) -> Tensor:
    """[N, values] -> [N, CHANNELS, SIDE, SIDE], channels last in memory: 1.5 times as quick on a CPU."""
    found = torch.from_numpy(batch.astype(np.float32)).to(device).reshape(-1, CHANNELS, SIDE, SIDE)
    return found.contiguous(memory_format=torch.channels_last)


def _norm(checkpoint: Mapping[str, Any], name: str, part: str) -> Any:
    before, _, conv = name.rpartition(".")
    return checkpoint[f"{before}.{_NORMS[conv]}.{part}" if before else f"{_NORMS[conv]}.{part}"].astype(np.float64)


def _parameter(value: Any, device: str) -> Tensor:
    return _tensor(value, device).requires_grad_()


def _tensor(value: Any, device: str) -> Tensor:
    return torch.from_numpy(np.array(value, np.float32)).to(device)
