"""Which images are worth keeping: pure decisions, so that they can be read, tested and argued about.

The audit is drawn first and whatever the confidence, so audits are an unbiased sample of all images of a device. The
inclusion probability is what the cloud weighs a capture with.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from strop_wire import messages


@dataclass(frozen=True, slots=True)
class Choice:
    keep: bool
    reason: str  # one of messages.REASONS; empty when not kept
    audit: bool
    probability: float  # that an image with this prediction is kept under this policy


def choose(
    predictions: Sequence[messages.Prediction], policy: messages.Policy, audit_draw: float, high_draw: float
) -> Choice:
    """Decide on one image; `predictions` are ranked, both draws are uniform in [0, 1) and independent."""
    audit = audit_draw < policy.audit_rate
    value = measure(predictions, policy)
    if value < policy.low:
        return Choice(True, "low", audit, 1.0)
    if value > policy.high:
        high = high_draw < policy.high_rate
        reason = "high" if high else "audit" if audit else ""
        either = min(1.0, policy.audit_rate + (1 - policy.audit_rate) * policy.high_rate)
        return Choice(high or audit, reason, audit, either)
    return Choice(audit, "audit" if audit else "", audit, policy.audit_rate)


def measure(predictions: Sequence[messages.Prediction], policy: messages.Policy) -> float:
    """What low and high are compared with: the best confidence, or its distance to the second best."""
    best = predictions[0].confidence
    if policy.measure == "confidence" or len(predictions) == 1:
        return best
    return best - predictions[1].confidence


def answer(best: messages.Prediction, thresholds: dict[str, float], policy: messages.Policy) -> str:
    """Return the label to answer a request with: empty when the confidence does not reach the label's threshold.

    `thresholds` are the model's; those of the policy take their place.
    """
    least = policy.thresholds.get(best.label, thresholds.get(best.label, 0.0))
    return best.label if best.confidence >= least else ""
