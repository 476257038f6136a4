"""Two classifiers in one graph: the mean of a head on the features of one tail and a classifier on those of the other."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import onnx
from onnx import helper, numpy_helper

from trainer import calibration, head
from trainer.gaussian import Floats, Integers

_DEGREES = [float(each) for each in np.geomspace(0.3, 3, 47)]


@dataclass(frozen=True, slots=True)
class Scores:
    """Of a mix, or of the second classifier alone: what out-of-fold images tell."""

    first: float  # factor of the temperature that the first head has already
    second: float  # temperature
    thresholds: tuple[float, ...]
    assumed: tuple[float, ...]
    novelty: float | None

    @classmethod
    def unknown(cls, labels: int, novelty: float | None) -> Self:
        """Return what holds where too few images could tell."""
        return cls(1.0, 1.0, (0.0,) * labels, (0.5,) * labels, novelty)


def estimate(first: Floats | None, second: Floats, truth: Integers, novelty: float | None) -> Scores:
    """From logits [images, labels] of images that were not learned; those of the first head are calibrated.

    The mean of two calibrated classifiers is under-confident, so both temperatures get a common factor.
    """
    own = calibration.temperature(second, truth)
    degree, shares = 1.0, calibration.softmax(second / np.float32(own))
    if first is not None:
        mixes = {each: mean(first / np.float32(each), second / np.float32(own * each)) for each in _DEGREES}
        degree = min(mixes, key=lambda each: calibration.loss(np.log(np.maximum(mixes[each], 1e-12)), truth))
        shares = mixes[degree]
    thresholds, assumed = calibration.thresholds(shares, truth), calibration.assumed(shares, truth)
    return Scores(degree, own * degree, thresholds, assumed, novelty)


def mean(first: Floats, second: Floats) -> Floats:
    """Of the probabilities that two classifiers give by their logits."""
    found: Floats = (calibration.softmax(first) + calibration.softmax(second)) * np.float32(0.5)
    return found


def export(first: head.Head, weights: Floats, bias: Floats) -> bytes:
    """Write head.onnx: `features` [N, of both tails] -> `probabilities` [N, labels], and `novelty` [N] of the first head.

    `weights` [labels, features] and `bias` [labels] of the second classifier have the temperature inside.
    """
    model = onnx.load_from_string(head.export(first))
    graph = model.graph
    widths = np.array([first.weights.shape[1], weights.shape[1]], np.int64)
    constants = {"widths": widths, "second_weights": weights, "second_bias": bias}
    names = {"features": "first_features", "probabilities": "first_probabilities"}
    own = [_renamed(node, names) for node in graph.node]
    del graph.node[:]
    graph.node.extend(
        [
            helper.make_node("Split", ["features", "widths"], ["first_features", "second_features"], axis=1),
            *own,
            helper.make_node("Gemm", ["second_features", "second_weights", "second_bias"], ["second"], transB=1),
            helper.make_node("Softmax", ["second"], ["second_probabilities"], axis=1),
            helper.make_node("Mean", ["first_probabilities", "second_probabilities"], ["probabilities"]),
        ]
    )
    graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items())
    graph.input[0].type.tensor_type.shape.dim[1].dim_value = int(widths.sum())
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _renamed(node: onnx.NodeProto, names: dict[str, str]) -> onnx.NodeProto:
    node.input[:] = [names.get(name, name) for name in node.input]
    node.output[:] = [names.get(name, name) for name in node.output]
    return node
