"""The head: regularised multinomial logistic regression on frozen features, with calibrated probabilities.

How strong the regularisation is, the temperature (Guo et al. 2017) and the thresholds are chosen on out-of-fold
predictions of the training images, so nothing that is held out for judging has a part in them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, checker, helper, numpy_helper
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from trainer import backbone

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

_STRENGTHS = (3.0, 10.0, 30.0)  # C: the inverse of the penalty
FOLDS = 3
_TEMPERATURES = np.geomspace(0.05, 20, 241)
_GAIN = 0.01  # of F1, for which a threshold is worth having
_ABSENT = np.float32(-30)  # the logit of a label that a fold has no image of


class CannotTrain(ValueError):
    """These images do not make a classifier."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Training rows: several views of an image are several rows, of which one is `plain`."""

    features: Floats  # [rows, 1280]
    labels: Integers  # [rows], index into the labels' names
    groups: Integers  # [rows]: near copies, and the views of one image, share a number
    plain: NDArray[np.bool_]  # [rows]

    def of(self, rows: Integers) -> "Examples":
        return Examples(self.features[rows], self.labels[rows], self.groups[rows], self.plain[rows])


@dataclass(frozen=True, slots=True)
class Head:
    weights: Floats  # [labels, 1280]
    bias: Floats  # [labels]
    strength: float
    temperature: float
    thresholds: tuple[float, ...]  # one per label


def train(examples: Examples, labels: int, progress: Callable[[int, int], None]) -> Head:
    """Fit on all examples; CannotTrain unless at least two labels have images."""
    if len(np.unique(examples.labels)) < 2:
        raise CannotTrain("images of at least two labels are needed")
    with threadpool_limits(1):  # on a busy machine a second thread of the matrix library made it ten times slower
        strength, logits = _choose_strength(examples, labels, progress)
        weights, bias = _fit(examples, labels, strength)
    truth = examples.labels[examples.plain]
    temperature = 1.0 if logits is None else _temperature(logits, truth)
    thresholds = (0.0,) * labels if logits is None else _thresholds(_softmax(logits / temperature), truth)
    return Head(weights, bias, strength, temperature, thresholds)


def export(head: Head) -> bytes:
    """Write head.onnx: `features` [N,1280] -> `probabilities` [N, labels], the temperature inside."""
    scale = np.float32(1 / head.temperature)
    constants = [
        numpy_helper.from_array((head.weights * scale).astype(np.float32), "weights"),
        numpy_helper.from_array((head.bias * scale).astype(np.float32), "bias"),
    ]
    nodes = [
        helper.make_node("Gemm", ["features", "weights", "bias"], ["logits"], transB=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", backbone.FEATURES])
    probabilities = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(head.bias)])
    graph = helper.make_graph(nodes, "head", [features], [probabilities], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", backbone.OPSET)], ir_version=backbone.IR)
    checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _choose_strength(
    examples: Examples, labels: int, progress: Callable[[int, int], None]
) -> tuple[float, Floats | None]:
    """The strength whose out-of-fold predictions are best once calibrated, and its logits for the plain rows.

    Without groups enough for folds: a middling strength, and no logits.
    """
    per_label = [len(np.unique(examples.groups[examples.labels == label])) for label in np.unique(examples.labels)]
    if min(per_label) < FOLDS:
        return _STRENGTHS[1], None
    truth = examples.labels[examples.plain]
    found: list[tuple[float, float, Floats]] = []
    for number, strength in enumerate(_STRENGTHS):
        logits = _out_of_fold(examples, labels, strength)
        found.append((_loss(logits / _temperature(logits, truth), truth), strength, logits))
        progress(number + 1, len(_STRENGTHS))
    _, strength, logits = min(found, key=lambda item: item[0])
    return strength, logits


def _out_of_fold(examples: Examples, labels: int, strength: float) -> Floats:
    """Logits of the plain rows, each from a fit that saw no row of its group."""
    logits = np.empty((len(examples.labels), labels), np.float32)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    for seen, unseen in folds.split(examples.features, examples.labels, examples.groups):
        weights, bias = _fit(examples.of(seen), labels, strength)
        logits[unseen] = examples.features[unseen] @ weights.T + bias
    return logits[examples.plain]


def _fit(examples: Examples, labels: int, strength: float) -> tuple[Floats, Floats]:
    """Weights [labels, 1280] and bias [labels]; labels weigh the same, however many images each has."""
    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=1000, tol=1e-3)
    model.fit(examples.features, examples.labels)
    weights = np.zeros((labels, examples.features.shape[1]), np.float32)
    bias = np.full(labels, _ABSENT, np.float32)
    if len(model.classes_) == 2:  # scikit-learn keeps one row: the second label against the first
        weights[model.classes_[1]], bias[model.classes_] = model.coef_[0], (0, model.intercept_[0])
    else:
        weights[model.classes_], bias[model.classes_] = model.coef_, model.intercept_
    return weights, bias


def _softmax(logits: Floats) -> Floats:
    grown = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = grown / grown.sum(axis=1, keepdims=True)
    return shares


def _loss(logits: Floats, truth: Integers) -> float:
    """Mean negative log likelihood against smoothed targets: Laplace's rule of succession, as Platt (1999) has it.

    Without the smoothing a data set that is easily told apart makes the head boundlessly sure of itself, and it stays so
    where it is wrong: in the field. With n images and k labels nobody knows better than (n + 1) / (n + k).
    """
    count, labels = logits.shape
    logs = np.log(np.maximum(_softmax(logits), 1e-12))
    spread = labels / (count + labels)
    return float(-((1 - spread) * logs[np.arange(count), truth] + spread * logs.mean(axis=1)).mean())


def _temperature(logits: Floats, truth: Integers) -> float:
    return float(min(_TEMPERATURES, key=lambda temperature: _loss(logits / np.float32(temperature), truth)))


def _thresholds(probabilities: Floats, truth: Integers) -> tuple[float, ...]:
    predicted = probabilities.argmax(axis=1)
    return tuple(
        _best_threshold(probabilities[predicted == label, label], truth[predicted == label] == label)
        for label in range(probabilities.shape[1])
    )


def _best_threshold(confidences: Floats, right: NDArray[np.bool_]) -> float:
    """The threshold on a label's own confidence with the best F1; 0 unless it gains a point.

    An image of the label that was predicted otherwise is missed at any threshold and left out here: it shifts F1, hardly
    where F1 is best.
    """
    order = np.argsort(confidences)
    sure, hits = confidences[order], right[order]
    if not hits.any():
        return 0.0
    kept_hits, kept = hits[::-1].cumsum()[::-1], np.arange(len(hits), 0, -1)
    score = 2 * kept_hits / (kept + hits.sum())
    best = int(score.argmax())
    return round(float(sure[best]), 4) if score[best] > score[0] + _GAIN else 0.0
