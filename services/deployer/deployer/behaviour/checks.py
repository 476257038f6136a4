"""The checks of a rollout and their verdicts.

A check finds harm ("breach") when its effect reaches the threshold and is significantly above half of it. The level of
significance is divided by the number of checks (Bonferroni), and over the looks of a rollout: look k may spend 6 / (pi k)**2 of
alpha, which sums up to alpha over any number of looks. So the chance that a model no worse is stopped is at most alpha,
however long the rollout is held.
"""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from deployer.behaviour import audits, contrast, measures
from deployer.behaviour.counts import Device
from strop_contracts.states import CheckVerdict

ENOUGH = 30
"""Predictions of the new model below which no check is made."""

NAMES = ("failed", "slower", "doubt", "low", "novel", "labels", "accuracy")


_NO_AUDITS = audits.Audits()


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Images of the gate that both models classified, and how many each had right."""

    images: int
    new_right: int
    old_right: int

    @property
    def gain(self) -> float:
        """Return the gain in accuracy, at least 0."""
        return max(0.0, (self.new_right - self.old_right) / self.images)

    @property
    def fewer_errors(self) -> float:
        """Return the factor by which errors became fewer, at least 1; one error is added, as a count of 0 is no rate of 0."""
        return max(1.0, (self.images - self.old_right + 1) / (self.images - self.new_right + 1))


@dataclass(frozen=True, slots=True)
class Limits:
    """Effects that matter, and the chance of a false stop; see `policies.RolloutPolicy`."""

    failed: float = 0.02
    slower: float = 2.0
    doubt: float = 4.0
    low: float = 0.15
    novel: float = 0.10
    labels: float = 0.20
    accuracy: float = 0.10
    alpha: float = 0.01


@dataclass(frozen=True, slots=True)
class Sample:
    """All that is known at a look."""

    version: str  # of the new model, such as v3
    previous: str
    new: Sequence[Device]  # devices on the new model
    old: Sequence[Device]  # devices on the old one
    labels: Collection[str] = ()  # that both models have
    labelled: audits.Audits = _NO_AUDITS
    evaluated: Evaluated | None = None

    @property
    def predictions(self) -> int:
        """Images that the new model has classified."""
        return sum(device.after.classified for device in self.new)


@dataclass(frozen=True, slots=True)
class Check:
    """The verdict of one check at one look; a row of `rollout_checks`."""

    name: str
    threshold: float
    level: float
    devices: int
    predictions: int
    verdict: CheckVerdict
    sentence: str
    new: float | None = None
    old: float | None = None
    effect: float | None = None
    p: float | None = None


def level(alpha: float, look: int) -> float:
    """Return the p-value below which one check counts at a look (from 1)."""
    return alpha * 6 / (math.pi * look) ** 2 / len(NAMES)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a measure is judged: harm is a positive effect; `show` writes a value, `show_effect` a difference."""

    name: str
    what: str
    reading: measures.Reading
    spread: float  # prior standard deviation of the changes of devices
    threshold: float
    null: float
    show: Callable[[float], str]
    show_effect: Callable[[float], str]


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _points(value: float) -> str:
    return f"{100 * value:+.1f} points"


def _milliseconds(logarithm: float) -> str:
    return f"{math.exp(logarithm):.0f} ms"


def _slower(logarithm: float) -> str:
    return f"{math.exp(logarithm):.1f} times as slow"


def _uncertain(certainty: float) -> str:
    return f"{math.exp(-certainty):.1%}"


def _fewer(logarithm: float) -> str:
    return f"{math.exp(logarithm):.1f} times fewer"


def _plans(limits: Limits, evaluated: Evaluated | None) -> list[_Plan]:
    """Return the plans of all measures but labels.

    A better model has a reason to be more certain: as much as its errors became fewer. Without an evaluation of both models on the
    same images, a factor of two is allowed.
    """
    explained = math.log(evaluated.fewer_errors if evaluated else 2)
    slower, doubt = math.log(limits.slower), math.log(limits.doubt)

    def shares(name: str, what: str, reading: measures.Reading, spread: float, threshold: float) -> _Plan:
        return _Plan(name, what, reading, spread, threshold, threshold / 2, _percent, _points)

    return [
        shares("failed", "images without a valid result", measures.failed, 0.01, limits.failed),
        _Plan("slower", "time per image", measures.latency, 0.2, slower, slower / 2, _milliseconds, _slower),
        _Plan(
            "doubt",
            "predictions below 90 % confidence",
            measures.certainty,
            0.25,
            doubt + explained,
            doubt / 2 + explained,
            _uncertain,
            _fewer,
        ),
        shares("low", "images kept for low confidence", measures.low, 0.05, limits.low),
        shares("novel", "images rejected as novel", measures.novel, 0.03, limits.novel),
    ]


def judge(sample: Sample, limits: Limits, look: int) -> list[Check]:
    """Return the verdict of every check. Too few data, or no device on the old model, is never a breach."""
    judged = [_measured(sample, plan, limits, look) for plan in _plans(limits, sample.evaluated)]
    return [*judged, _labels(sample, limits, look), _accuracy(sample, limits, look)]


def _contrast(sample: Sample, plan: _Plan) -> contrast.Contrast | None:
    if sample.predictions + sum(device.after.failed for device in sample.new) < ENOUGH:
        return None
    return contrast.contrast(sample.new, sample.old, plan.reading, plan.spread)


def _measured(sample: Sample, plan: _Plan, limits: Limits, look: int) -> Check:
    found = _contrast(sample, plan)
    return _verdict(sample, plan, found, found.p(plan.null) if found else 1.0, level(limits.alpha, look))


def _labels(sample: Sample, limits: Limits, look: int) -> Check:
    """Judge the label whose share rose most clearly; the p-value is corrected for the number of labels.

    A better model may rightly predict another mix: by as many images as it has more right.
    """
    gain = sample.evaluated.gain if sample.evaluated else limits.labels / 2
    candidates = []
    for name in sorted(sample.labels):
        what, threshold = f"predictions of {name}", limits.labels + gain
        plan = _Plan(
            "labels", what, measures.label(name), 0.07, threshold, threshold - limits.labels / 2, _percent, _points
        )
        found = _contrast(sample, plan)
        candidates.append((min(1.0, found.p(plan.null) * len(sample.labels)) if found else 1.0, plan, found))
    if not candidates:
        return _waiting(sample, "labels", limits.labels + gain, level(limits.alpha, look), "the models share no label")
    p, plan, found = min(candidates, key=lambda each: (each[0], -(each[2].effect if each[2] else -math.inf)))
    return _verdict(sample, plan, found, p, level(limits.alpha, look))


def _verdict(sample: Sample, plan: _Plan, found: contrast.Contrast | None, p: float, needed: float) -> Check:
    if found is None:
        return _waiting(sample, plan.name, plan.threshold, needed, f"too few images to compare {plan.what}")
    new, old = found.new, found.old
    breach = found.effect >= plan.threshold and p < needed
    sentence = (
        f"{_capital(plan.what)}: {plan.show(new.before)} before, {plan.show(new.after)} with {sample.version}"
        f" on {_devices(new.devices)}; {plan.show(old.before)} before, {plan.show(old.after)} now with {sample.previous}"
        f" on {_devices(old.devices)}. Difference {plan.show_effect(found.effect)},"
        f" {plan.show_effect(plan.threshold)} matters; p = {p:.2g}, {needed:.2g} counts."
    )
    return Check(
        name=plan.name,
        threshold=plan.threshold,
        level=needed,
        devices=new.devices,
        predictions=sample.predictions,
        verdict=CheckVerdict.BREACH if breach else CheckVerdict.PASS,
        sentence=sentence,
        new=new.change,
        old=old.change,
        effect=found.effect,
        p=p,
    )


def _accuracy(sample: Sample, limits: Limits, look: int) -> Check:
    needed, known = level(limits.alpha, look), sample.labelled
    if not (found := audits.loss(known)):
        why = f"{known.new.total} labelled audits with {sample.version}, {known.old.total} with {sample.previous} since the start"
        return _waiting(sample, "accuracy", limits.accuracy, needed, f"{why}: {audits.ENOUGH} of each are needed")
    breach = found.loss >= limits.accuracy and found.p < needed
    reference = f"{sample.previous} on " + (
        "other devices" if found.reference == known.old else "the same devices before"
    )
    sentence = (
        f"Labelled audits: {sample.version} has {known.new.right} of {known.new.total} right, {reference}"
        f" {found.reference.right} of {found.reference.total}. Loss {_points(found.loss)}, {_points(limits.accuracy)} matters;"
        f" p = {found.p:.2g}, {needed:.2g} counts."
    )
    return Check(
        name="accuracy",
        threshold=limits.accuracy,
        level=needed,
        devices=len(sample.new),
        predictions=sample.predictions,
        verdict=CheckVerdict.BREACH if breach else CheckVerdict.PASS,
        sentence=sentence,
        new=known.new.accuracy,
        old=found.reference.accuracy,
        effect=found.loss,
        p=found.p,
    )


def _waiting(sample: Sample, name: str, threshold: float, needed: float, why: str) -> Check:
    return Check(name, threshold, needed, len(sample.new), sample.predictions, CheckVerdict.WAIT, f"{_capital(why)}.")


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _devices(number: int) -> str:
    return f"{number} device" + ("s" if number != 1 else "")
