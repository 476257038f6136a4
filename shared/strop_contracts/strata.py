"""Strata of images by confidence: labels of audits are divided among them, and live accuracy is estimated by them."""

import bisect

EDGES = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97, 0.99, 0.998)
"""Confidences at which the next stratum begins: ten strata. Most images of a good model lie above 0.9."""
COUNT = len(EDGES) + 1


def of(confidence: float) -> int:
    """Return the number of the stratum of a confidence, 0 for the lowest."""
    return bisect.bisect_right(EDGES, confidence)
