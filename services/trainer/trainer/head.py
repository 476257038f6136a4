"""The head: regularised multinomial logistic regression on frozen features, with calibrated probabilities and novelty.

How strong the regularisation is, whether the Gaussian discriminant (`gaussian`) joins in, the temperature and all
thresholds are chosen on out-of-fold predictions of the training images, so nothing that is held out for judging has a part
in them. Of few images, the temperature and the thresholds are estimated on other folds than those that chose the rest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, checker, helper, numpy_helper
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from trainer import backbone, calibration, folds, gaussian
from trainer.backends import base
from trainer.gaussian import Floats, Integers

FOLDS = 3
FINE_FOLDS, FINE_BELOW = 10, 400
"""Folds for the temperature and all thresholds where fewer images than this can be asked: a fit that lacks a third of few
images is worse than the final one, and its predictions would make that one look worse than it is (decision 0026)."""
_FEWEST = 6  # out-of-fold images from which a temperature and thresholds are estimated
_ABSENT = np.float32(-30)  # the logit of a label that a fold has no image of


class Options(BaseModel):
    """The hyperparameters. Of several values the best is chosen on out-of-fold predictions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    known_rejected: float = Field(0.05, gt=0, lt=1)  # share of known images that the novelty threshold may reject
    strengths: tuple[PositiveFloat, ...] = Field((3.0, 10.0, 30.0), min_length=1)  # C: the inverse of the penalty
    weights: tuple[PositiveFloat, ...] = (1.0, 2.0)  # of the Gaussian beside the regression; empty: without it
    iterations: PositiveInt = 1000  # most of the solver


@dataclass(frozen=True, slots=True)
class Examples:
    """Training rows: several views of an image are several rows, of which one is `plain`."""

    features: Floats  # [rows, features]
    labels: Integers  # [rows], index into the labels' names
    groups: Integers  # [rows]: near copies, and the views of one image, share a number
    plain: NDArray[np.bool_]  # [rows]

    def of(self, rows: Integers) -> "Examples":
        return Examples(self.features[rows], self.labels[rows], self.groups[rows], self.plain[rows])


@dataclass(frozen=True, slots=True)
class Head:
    weights: Floats  # [labels, features]
    bias: Floats  # [labels]
    strength: float
    temperature: float
    thresholds: tuple[float, ...]  # one per label: below it a device answers a request with "none"
    assumed: tuple[float, ...]  # one per label: from it on a hosted model answers the label
    gaussian: gaussian.Gaussian
    novelty: float | None  # above it an image shows nothing known; None where too few images could tell


@dataclass(frozen=True, slots=True)
class _Mix:
    """Logits of a regression divided by `scale`, plus those of the Gaussian divided by its own, when that joins in."""

    strength: float
    scale: float
    second: float | None

    def of(self, regression: Floats, discriminant: Floats) -> Floats:
        """Of logits, weights or biases: all is linear."""
        found = regression / np.float32(self.scale)
        return found if self.second is None else found + discriminant / np.float32(self.second)


@dataclass(frozen=True, slots=True)
class _Unseen:
    """What folds that had not seen them say to the plain rows."""

    regressions: dict[float, Floats]  # by strength: logits [images, labels]
    discriminant: Floats  # [images, labels]
    novelty: Floats  # [images]
    truth: Integers  # [images]


def train(examples: Examples, labels: int, options: Options, progress: Callable[[int, int], None]) -> Head:
    """Fit on all examples; CannotTrain unless at least two labels have images."""
    if len(np.unique(examples.labels)) < 2:
        raise base.CannotTrain("images of at least two labels are needed")
    with threadpool_limits(1):  # on a busy machine a second thread of the matrix library made it ten times slower
        unseen = _out_of_fold(examples, labels, options, FOLDS, progress)
        middle = options.strengths[len(options.strengths) // 2]
        mix = _choose(unseen, options.weights) if unseen else _Mix(middle, 1.0, None)
        if unseen and len(unseen.truth) < FINE_BELOW:
            chosen = options.model_copy(update={"strengths": (mix.strength,)})
            unseen = _out_of_fold(examples, labels, chosen, FINE_FOLDS, progress)
        shape = gaussian.fit(examples.features, examples.labels, labels)
        (weights, bias), (away, offset) = _fit(examples, labels, mix.strength, options.iterations), shape.discriminant
    weights, bias = mix.of(weights, away), mix.of(bias, offset)
    if unseen is None:
        return Head(weights, bias, mix.strength, 1.0, (0.0,) * labels, (0.5,) * labels, shape, None)
    logits = mix.of(unseen.regressions[mix.strength], unseen.discriminant)
    temperature = calibration.temperature(logits, unseen.truth)
    shares = calibration.softmax(logits / np.float32(temperature))
    thresholds, assumed = calibration.thresholds(shares, unseen.truth), calibration.assumed(shares, unseen.truth)
    limit = float(np.quantile(unseen.novelty, 1 - options.known_rejected))
    return Head(weights, bias, mix.strength, temperature, thresholds, assumed, shape, limit)


def export(head: Head) -> bytes:
    """Write head.onnx: `features` [N, features] -> `probabilities` [N, labels], the temperature inside, and `novelty` [N]."""
    scale = np.float32(1 / head.temperature)
    values = {"weights": head.weights * scale, "bias": head.bias * scale, **_novelty_constants(head.gaussian)}
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]
    nodes = [
        helper.make_node("Gemm", ["features", "weights", "bias"], ["logits"], transB=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("Gemm", ["features", "shares", "share_bias"], ["ways"], transB=1),
        helper.make_node("TopK", ["ways", "two"], ["best", "which"], axis=1),
        helper.make_node("MatMul", ["best", "best_weights"], ["remaining"]),
        helper.make_node("MatMul", ["features", "apart"], ["common"]),
        helper.make_node("Sum", ["remaining", "common", "apart_bias"], ["novelty"]),
    ]
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", head.weights.shape[1]])
    outputs = [
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(head.bias)]),
        helper.make_tensor_value_info("novelty", TensorProto.FLOAT, ["N"]),
    ]
    graph = helper.make_graph(nodes, "head", [features], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", backbone.OPSET)], ir_version=backbone.IR)
    checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _novelty_constants(fitted: gaussian.Gaussian) -> dict[str, NDArray[Any]]:
    weights, bias = fitted.shares
    away, offset = fitted.apart
    best = np.array([-1, gaussian.RIVAL], np.float32)
    return {
        "shares": weights,
        "share_bias": bias,
        "two": np.array([2], np.int64),
        "best_weights": best,
        "apart": away,
        "apart_bias": np.array([offset], np.float32),
    }


def _out_of_fold(
    examples: Examples, labels: int, options: Options, count: int, progress: Callable[[int, int], None]
) -> _Unseen | None:
    """Ask, for plain rows, fits that learned no row of their group; None when fewer than `_FEWEST` can be asked."""
    shape = (len(examples.labels), labels)
    regressions = {strength: np.empty(shape, np.float32) for strength in options.strengths}
    discriminant, novelty = np.empty(shape, np.float32), np.empty(len(examples.labels), np.float32)
    reached = np.zeros(len(examples.labels), np.bool_)
    rounds = list(folds.split(examples.labels, examples.groups, count))
    for done, (seen, unseen) in enumerate(rounds):
        learned, asked = examples.of(seen), examples.features[unseen]
        for strength in options.strengths:
            weights, bias = _fit(learned, labels, strength, options.iterations)
            regressions[strength][unseen] = asked @ weights.T + bias
        fitted = gaussian.fit(learned.features, learned.labels, labels)
        discriminant[unseen], novelty[unseen] = fitted.logits(asked), fitted.novelty(asked)
        reached[unseen] = True
        progress(done + 1, len(rounds))
    kept = reached & examples.plain
    if kept.sum() < _FEWEST:
        return None
    logits = {strength: found[kept] for strength, found in regressions.items()}
    return _Unseen(logits, discriminant[kept], novelty[kept], examples.labels[kept])


def _choose(unseen: _Unseen, weights: Sequence[float]) -> _Mix:
    """The strength, alone or with the Gaussian, that is wrong least often out of fold; then the best once calibrated."""
    second = _spread(unseen.discriminant)
    mixes = [
        _Mix(strength, _spread(logits), joins)
        for strength, logits in unseen.regressions.items()
        for joins in (None, *(second / weight for weight in weights))
    ]
    logits = {mix: mix.of(unseen.regressions[mix.strength], unseen.discriminant) for mix in mixes}
    wrong = {mix: int((found.argmax(axis=1) != unseen.truth).sum()) for mix, found in logits.items()}

    def loss(mix: _Mix) -> float:
        degree = np.float32(calibration.temperature(logits[mix], unseen.truth))
        return calibration.loss(logits[mix] / degree, unseen.truth)

    return min((mix for mix in mixes if wrong[mix] == min(wrong.values())), key=loss)


def _spread(logits: Floats) -> float:
    """How far the logits of one image lie apart, as a mean over all: brings two kinds of logits to one scale."""
    return float(logits.std(axis=1).mean())


def _fit(examples: Examples, labels: int, strength: float, iterations: int) -> tuple[Floats, Floats]:
    """Weights [labels, features] and bias [labels]; labels weigh the same, however many images each has."""
    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=iterations, tol=1e-3)
    model.fit(examples.features, examples.labels)
    weights = np.zeros((labels, examples.features.shape[1]), np.float32)
    bias = np.full(labels, _ABSENT, np.float32)
    if len(model.classes_) == 2:  # scikit-learn keeps one row: the second label against the first
        weights[model.classes_[1]], bias[model.classes_] = model.coef_[0], (0, model.intercept_[0])
    else:
        weights[model.classes_], bias[model.classes_] = model.coef_, model.intercept_
    return weights, bias
