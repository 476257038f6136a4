"""What the counts and audits of a window show: estimates by model, label and device group. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from router.quality import estimate, sample, solver
from strop_contracts import control_quality
from strop_wire import reports

Bins = Sequence[int]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one group of devices counted under one model, and their audits."""

    model: str
    group: str  # '' for the devices without a group
    bins: Mapping[str, Bins]  # images by predicted label and confidence
    audits: Sequence[sample.Audit]


def estimates(seen: Sequence[Seen]) -> list[control_quality.Estimate]:
    """Return all estimates, by model: accuracy of all devices, then of each group, then precision and recall by label."""
    return [each for model in sorted({part.model for part in seen}) for each in _of_model(model, seen)]


def _of_model(model: str, seen: Sequence[Seen]) -> Iterator[control_quality.Estimate]:
    parts = [part for part in seen if part.model == model]
    yield from _accuracy(model, "", parts)
    for group in sorted({part.group for part in parts} - {""}):
        yield from _accuracy(model, group, [part for part in parts if part.group == group])
    whole = union(parts)
    for label in sorted(whole.bins):
        yield from _label(whole, label)


def union(parts: Sequence[Seen]) -> Seen:
    """Return the counts and audits of several groups together."""
    labels = sorted({label for part in parts for label in part.bins})
    bins = {label: total([part.bins[label] for part in parts if label in part.bins]) for label in labels}
    return Seen(parts[0].model if parts else "", "", bins, [audit for part in parts for audit in part.audits])


def total(rows: Sequence[Bins]) -> list[int]:
    return [sum(column) for column in zip(*rows, strict=True)] if rows else [0] * reports.BINS


def _accuracy(model: str, group: str, parts: Sequence[Seen]) -> Iterator[control_quality.Estimate]:
    made = sample.stratify(total([bins for part in parts for bins in part.bins.values()]), _audits(parts))
    if found := estimate.accuracy(made):
        yield _document(model, "accuracy", found, group=group, free=free(made))


def _audits(parts: Sequence[Seen]) -> list[sample.Audit]:
    return list(chain.from_iterable(part.audits for part in parts))


def free(made: Sequence[sample.Stratum]) -> float:
    """Return the mean confidence of all images: the accuracy without labels, if confidences are calibrated (Guo et al. 2017)."""
    return sum(each.size * each.confidence for each in made) / sum(each.size for each in made)


def _label(whole: Seen, label: str) -> Iterator[control_quality.Estimate]:
    own = sample.stratify(whole.bins[label], [audit for audit in whole.audits if audit.label == label])
    if found := estimate.accuracy(own):
        yield _document(whole.model, "precision", found, label=label)
    rest = total([bins for name, bins in whole.bins.items() if name != label])
    others = [audit for audit in whole.audits if audit.label != label]
    hidden = sample.stratify(rest, others, lambda audit: audit.truth == label)
    if found := estimate.recall(own, hidden):
        yield _document(whole.model, "recall", found, label=label)


def _document(
    model: str, measure: str, found: estimate.Estimate, *, label: str = "", group: str = "", free: float | None = None
) -> control_quality.Estimate:
    return control_quality.Estimate(
        model=model,
        measure=measure,
        label=label,
        device_group=group,
        value=found.value,
        low=found.low,
        high=found.high,
        labelled=found.labelled,
        images=found.images,
        free=free,
    )


def cells(whole: Seen) -> dict[str, list[solver.Cell]]:
    """Return the strata of each predicted label for the solver; the spread of a stratum is that of all labels together."""
    everything = sample.stratify(total(list(whole.bins.values())), whole.audits)
    spreads = estimate.spreads(everything)
    found = {}
    for label, bins in whole.bins.items():
        made = sample.stratify(bins, [audit for audit in whole.audits if audit.label == label])
        found[label] = [solver.Cell(each.size, spread) for each, spread in zip(made, spreads, strict=True)]
    return found
