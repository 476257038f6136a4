"""How far an image lies on the way to each label: the novelty score, and a second opinion on the label.

Each label is a Gaussian around its own mean, all with one covariance S, shrunk towards a multiple of the identity. With m
the mean of the labels' means and w = (mean of label c - m) S^-1, the label's Mahalanobis distance relative to that of a
Gaussian around m (Ren et al., "A Simple Fix to Mahalanobis Distance", 2021, with one covariance for both) is linear in an
image x: w(x - m) - d/2, d = w(mean of c - m). It is also the discriminant of linear discriminant analysis, hence the
second opinion. Labels differ in how far out they lie, so for novelty it is measured in each label's own d, as the share
of the way from the middle to the label; two terms were found to help (README, "Backbones"): an image between two labels is
strange, and one whose features point away from what all labels have in common, m:

    novelty(x) = 1 - first + RIVAL second + APART m(m - x),    first and second: the largest of w(x - m) / d over labels

About 0 is a typical image of its label, about 1 one that is no nearer to any label than the middle of them all.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

SHRINKAGE = 0.3
"""Chosen from 0.1 to 0.5 by cross-validation; between 0.2 and 0.5 little changes (README)."""
RIVAL, APART = 0.3, 0.45
"""How much each term counts in the novelty."""
_LEAST = 1e-4  # of variance, for labels with one image each: features have length 1
_ABSENT = np.float32(-30)  # the logit of a label without an image


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Both scores are linear in the features: x @ weights.T + bias."""

    weights: Floats  # [labels, features]: w
    bias: Floats  # [labels]: -w m
    spans: Floats  # [labels]: d; infinite for a label without an image
    middle: Floats  # [features]: m

    def logits(self, features: Floats) -> Floats:
        """[rows, features] -> [rows, labels]: logarithms of how likely the features are under each label, but for a constant."""
        weights, bias = self.discriminant
        found: Floats = features @ weights.T + bias
        return found

    @property
    def discriminant(self) -> tuple[Floats, Floats]:
        """Weights and bias of the logits."""
        known = np.isfinite(self.spans)
        return self.weights, np.where(known, self.bias - np.where(known, self.spans, 0) / 2, _ABSENT)

    @property
    def shares(self) -> tuple[Floats, Floats]:
        """Weights and bias of the share of the way to each label."""
        return self.weights / self.spans[:, None], self.bias / self.spans

    @property
    def apart(self) -> tuple[Floats, np.float32]:
        """Weights [features] and bias of what novelty has beside the shares."""
        return self.middle * np.float32(-APART), np.float32(1 + APART * float(self.middle @ self.middle))

    def novelty(self, features: Floats) -> Floats:
        """[rows, features] -> [rows]; larger is stranger."""
        weights, bias = self.shares
        away, offset = self.apart
        best: Floats = np.sort(features @ weights.T + bias, axis=1)
        common: Floats = features @ away + offset
        return common - best[:, -1] + best[:, -2] * np.float32(RIVAL)


def fit(features: Floats, truth: Integers, labels: int) -> Gaussian:
    """From rows [rows, features] and their labels; a label without rows never wins."""
    present = np.unique(truth)
    means = np.zeros((labels, features.shape[1]), np.float32)
    means[present] = [features[truth == label].mean(axis=0) for label in present]
    middle = means[present].mean(axis=0)
    away = means[present] - middle
    weights = np.zeros_like(means)
    weights[present] = np.linalg.solve(_covariance(features - means[truth]), away.T).T
    spans = np.full(labels, np.inf, np.float32)
    spans[present] = (weights[present] * away).sum(axis=1)
    return Gaussian(weights, -weights @ middle, spans, middle)


def _covariance(residuals: Floats) -> Floats:
    """Of rows that have mean 0 in each label."""
    found = residuals.T @ residuals / np.float32(len(residuals))
    size = len(found)
    found *= np.float32(1 - SHRINKAGE)
    found[np.diag_indices(size)] += SHRINKAGE * np.trace(found) / (1 - SHRINKAGE) / size + _LEAST / size
    return found
