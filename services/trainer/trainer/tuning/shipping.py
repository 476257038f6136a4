"""What is shipped of a tuned tail: its changes in steps of 4 bits, each output channel with a scale of its own.

`strop_edge.delta` has the format and rebuilds the graph. A scale is the one with the smallest squared error among a few.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from strop_edge import delta
from trainer.tuning import graphs
from trainer.tuning.graphs import Floats, Tensors

_SCALES = np.linspace(0.4, 1, 13, dtype=np.float32)  # parts of the scale that has no value outside of the steps
_LITERAL = 256  # bytes up to which a tensor is not worth a piece of its own


@dataclass(frozen=True, slots=True)
class Change:
    """Of one weight [output channels, values]."""

    scales: Floats  # [output channels]
    steps: NDArray[np.int8]  # [output channels, values]


@dataclass(frozen=True, slots=True)
class Shipment:
    graph: bytes  # as every device rebuilds it
    delta: bytes
    tensors: Tensors  # of the rebuilt tail


def ship(backbone: bytes, tensors: Tensors, *, average: bool) -> Shipment:
    """Round a tuned tail to what is shipped. With `average` the graph has both tails, the backbone's own first."""
    before = graphs.tail(backbone)
    changes = {
        name: change(before[name].reshape(len(before[name]), -1), value.reshape(len(value), -1))
        for name, value in tensors.items()
        if value.ndim > 1
    }
    rounded = {name: _rounded(before[name], value, changes.get(name)) for name, value in tensors.items()}
    graph = (graphs.doubled if average else graphs.tuned)(backbone, rounded)
    shipped = _delta(backbone, graph, changes)
    assert delta.rebuild(backbone, shipped, len(graph)) == graph
    return Shipment(graph, shipped, rounded)


def change(before: Floats, after: Floats) -> Change:
    """Round the difference of two weights [output channels, values]."""
    wanted = after - before
    largest = np.abs(wanted).max(axis=1) / np.float32(delta.LARGEST_STEP)
    best = Change(np.zeros(len(wanted), np.float32), np.zeros(wanted.shape, np.int8))
    errors = np.full(len(wanted), np.inf, np.float32)
    for part in _SCALES:
        scales = largest * part
        steps = _steps(wanted, scales)
        error = np.square(scales[:, None] * steps - wanted).sum(axis=1)
        better = error < errors
        best.scales[better], best.steps[better], errors[better] = scales[better], steps[better], error[better]
    return best


def _steps(wanted: Floats, scales: Floats) -> NDArray[np.int8]:
    safe = np.where(scales > 0, scales, np.float32(1))
    limit = delta.LARGEST_STEP
    return np.rint(wanted / safe[:, None]).clip(-limit, limit).astype(np.int8)


def _rounded(before: Floats, after: Floats, change: Change | None) -> Floats:
    """Biases have no steps: they are shipped as they are, in float32 values that float16 has, which compress well."""
    if change is None:
        return after.astype(np.float16).astype(np.float32)
    return delta.tuned(before.reshape(change.steps.shape), change.scales, change.steps).reshape(before.shape)


def _delta(backbone: bytes, graph: bytes, changes: Mapping[str, Change]) -> bytes:
    """Describe the graph by pieces of the backbone."""
    sources = {each.name: each.raw_data for each in onnx.load_from_string(backbone).graph.initializer}
    pieces: list[list[Any]] = []
    rest, at = [], 0

    def add(end: int) -> None:
        if end > at:
            pieces.append(["add", end - at])
            rest.append(graph[at:end])

    for each in onnx.load_from_string(graph).graph.initializer:
        source = each.name.removeprefix(graphs.TUNED)
        raw, original = each.raw_data, sources.get(source, b"")
        if len(raw) <= _LITERAL or (raw != original and source not in changes):
            continue
        start = graph.index(raw, at)
        add(start)
        at = start + len(raw)
        offset = backbone.index(original)
        if raw == original:
            pieces.append(["copy", offset, len(raw)])
        else:
            found = changes[source]
            pieces.append(["tune", offset, *found.steps.shape])
            rest += [found.scales.astype("<f4").tobytes(), delta.packed(found.steps)]
    add(len(graph))
    return delta.pack(pieces, b"".join(rest))
