"""How sure a model may say it is, and from when on a label counts: the temperature and the thresholds.

Everything here reads predictions of images that the fit had not seen: `truth` [images] is the label's index.
"""

import numpy as np
from numpy.typing import NDArray

from trainer.gaussian import Floats, Integers

_TEMPERATURES = np.geomspace(0.01, 20, 200)
_GAIN = 0.01  # of F1, for which a device's threshold is worth having


def softmax(logits: Floats) -> Floats:
    grown = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = grown / grown.sum(axis=1, keepdims=True)
    return shares


def loss(logits: Floats, truth: Integers) -> float:
    """Return the mean negative log likelihood."""
    return float(-np.log(np.maximum(softmax(logits)[np.arange(len(truth)), truth], 1e-12)).mean())


def temperature(logits: Floats, truth: Integers) -> float:
    """Return what to divide logits by: the best likelihood (Guo et al. 2017), with a limit on the mean confidence.

    The limit is (n + 1) / (n + 2) for n images: what Laplace's rule of succession gives when all n are right. Without it, a
    data set without a single error would give probabilities of 1, and errors in the field would be invisible.
    """
    most = (len(truth) + 1) / (len(truth) + 2)
    divided = {degree: logits / np.float32(degree) for degree in _TEMPERATURES}
    allowed = {degree: each for degree, each in divided.items() if softmax(each).max(axis=1).mean() <= most}
    return float(min(allowed, key=lambda degree: loss(allowed[degree], truth), default=_TEMPERATURES[-1]))


def thresholds(probabilities: Floats, truth: Integers) -> tuple[float, ...]:
    """For devices, per label: below it even the best label is no answer."""
    predicted = probabilities.argmax(axis=1)
    return tuple(
        _device(probabilities[predicted == label, label], truth[predicted == label] == label)
        for label in range(probabilities.shape[1])
    )


def assumed(probabilities: Floats, truth: Integers) -> tuple[float, ...]:
    """For hosted models, which may answer several labels: per label the threshold with the best F1 over all images.

    Between the last confidence that counts and the next lower one it lies in the middle, so a second-best label that is
    as weak as those seen here is not answered. Half where a label has no image.
    """
    return tuple(_assumed(probabilities[:, label], truth == label) for label in range(probabilities.shape[1]))


def _assumed(confidences: Floats, right: NDArray[np.bool_]) -> float:
    if not right.any():
        return 0.5
    order = np.argsort(-confidences, kind="stable")
    sure, hits = confidences[order], right[order].cumsum()
    score = 2 * hits / (np.arange(1, len(hits) + 1) + hits[-1])
    last = int(score.argmax())
    below = sure[last + 1] if last + 1 < len(sure) else 0
    return round(float(sure[last] + below) / 2, 4)


def _device(confidences: Floats, right: NDArray[np.bool_]) -> float:
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
