"""Arithmetic of the counts that devices report; pure.

The counts of a boot never decrease, so the maximum of two reports is the newer one, count by count: a repeated, reordered or
partial report changes nothing that a later one has counted. Sums over hours are made from the increase of the maximum.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from ingest import rules
from strop_wire import reports

Boot = tuple[str, str, UUID]
"""Project, device and boot."""
Key = tuple[str, str, UUID, str, int]
"""Project, device, boot, model and policy."""
HourKey = tuple[str, str, str, int, datetime]
"""Project, device, model, policy and hour."""
DayKey = tuple[str, str, str, int, date]
"""Project, group of devices, model, policy and day."""

MAX_LABELS = 1000
"""Labels of one row, as many as one prediction may rank; further ones are not stored, so that a row stays small."""

EMPTY = reports.Usage("", 0)


def reported(received: Iterable[rules.DeviceMessage]) -> dict[Key, tuple[int, reports.Usage]]:
    """Return the maximum of what states report for each boot, model and policy, with the highest sequence number."""
    found: dict[Key, tuple[int, reports.Usage]] = {}
    for message in received:
        state = rules.state(message)
        for each in state.usage:
            key = (*message.device, UUID(state.boot), each.model, each.policy)
            sequence, known = found.get(key, (0, EMPTY))
            found[key] = max(sequence, state.sequence), maximum(known, each)
    return found


def maximum(known: reports.Usage, new: reports.Usage) -> reports.Usage:
    """Return the maximum of each count; model and policy are those of `new`."""
    return reports.Usage(
        model=new.model,
        policy=new.policy,
        predictions=_joined(known.predictions, new.predictions, max),
        rejected=max(known.rejected, new.rejected),
        failed=max(known.failed, new.failed),
        latency=[*map(max, known.latency, new.latency)],
        kept={name: max(known.kept.get(name, 0), new.kept.get(name, 0)) for name in {**known.kept, **new.kept}},
    )


def increase(known: reports.Usage, new: reports.Usage) -> dict[str, Any]:
    """Return the columns of `tables.ingest.Counted` for what `new`, a maximum with `known`, has more."""
    more = {label: _less(bins, known.predictions.get(label)) for label, bins in new.predictions.items()}
    predictions = {label: bins for label, bins in more.items() if any(bins)}
    kept = {name: new.kept.get(name, 0) - known.kept.get(name, 0) for name in ("low", "high", "audit")}
    return {
        "classified": _limited(sum(map(sum, predictions.values()))),
        "rejected": new.rejected - known.rejected,
        "failed": new.failed - known.failed,
        **kept,
        "predictions": predictions,
        "latency": _less(new.latency, known.latency),
    }


SUMS = ("classified", "rejected", "failed", "low", "high", "audit")


def total(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Add the columns of `tables.ingest.Counted` of two rows."""
    return {
        **{name: _limited(first[name] + second[name]) for name in SUMS},
        "predictions": _joined(first["predictions"], second["predictions"], _add),
        "latency": [*map(_add, first["latency"], second["latency"])],
    }


def columns(row: Any) -> dict[str, Any]:
    """Return the columns of `tables.ingest.Counted` of a row."""
    return {name: getattr(row, name) for name in (*SUMS, "predictions", "latency")}


def _joined(first: Mapping[str, Sequence[int]], second: Mapping[str, Sequence[int]], join: Any) -> dict[str, list[int]]:
    found = {label: list(bins) for label, bins in first.items()}
    for label, bins in second.items():
        if label in found:
            found[label] = [*map(join, found[label], bins)]
        elif len(found) < MAX_LABELS:
            found[label] = list(bins)
    return found


def _less(new: Sequence[int], known: Sequence[int] | None) -> list[int]:
    return [a - b for a, b in zip(new, known, strict=True)] if known else list(new)


def _add(first: int, second: int) -> int:
    return _limited(first + second)


def _limited(count: int) -> int:
    """Return a count that fits its column: a device may report anything."""
    return min(count, reports.MAX_COUNT)
