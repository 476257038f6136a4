"""Arithmetic of the counts that devices report; pure.

The counts of a boot never decrease, so the maximum of two reports is the newer one, count by count: a repeated, reordered or
partial report changes nothing that a later one has counted. Sums over hours are made from the increase of the maximum.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from operator import add, sub
from typing import Any
from uuid import UUID

from ingest import rules
from strop_wire import reports

Boot = tuple[str, str, UUID]
"""Project, device and boot."""
Key = tuple[str, str, UUID, str, int]
"""Project, device, boot, model and policy."""
Reported = dict[Key, tuple[int, reports.Usage]]
"""Counts with the highest sequence number of a state that contained them."""
HourKey = tuple[str, str, str, int, datetime]
"""Project, device, model, policy and hour."""
DayKey = tuple[str, str, str, int, date]
"""Project, group of devices, model, policy and day."""

MAX_LABELS = 1000
"""Labels of one row, as many as one prediction may rank; further ones are not stored, so that a row stays small."""

MAX_ROWS = 300
"""Rows of counts of one device, one for each boot, model and policy: what is above is not stored until old ones are deleted."""

EMPTY = reports.Usage("", 0)


def reported(received: Iterable[rules.DeviceMessage]) -> Reported:
    """Return the maximum of what states report for each boot, model and policy, with the highest sequence number."""
    found: Reported = {}
    for message in received:
        state = rules.state(message)
        for each in state.usage:
            key = (*message.device, UUID(state.boot), each.model, each.policy)
            if key in found:
                found[key] = max(found[key][0], state.sequence), maximum(found[key][1], each)
            else:
                found[key] = state.sequence, each
    return found


def maximum(known: reports.Usage, new: reports.Usage) -> reports.Usage:
    """Return the maximum of each count; model and policy are those of `new`."""
    return reports.Usage(
        model=new.model,
        policy=new.policy,
        predictions=_joined(known.predictions, new.predictions, _maxima),
        rejected=max(known.rejected, new.rejected),
        failed=max(known.failed, new.failed),
        latency=_maxima(known.latency, new.latency),
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
        "predictions": _joined(first["predictions"], second["predictions"], _sums),
        "latency": _sums(first["latency"], second["latency"]),
    }


def columns(row: Any) -> dict[str, Any]:
    """Return the columns of `tables.ingest.Counted` of a row."""
    return {name: getattr(row, name) for name in (*SUMS, "predictions", "latency")}


Counts = Sequence[int]


def _joined(
    first: Mapping[str, Counts], second: Mapping[str, Counts], join: Callable[[Counts, Counts], Counts]
) -> dict[str, Any]:
    found: dict[str, Counts] = dict(first)
    for label, bins in second.items():
        if label in found:
            found[label] = join(found[label], bins)
        elif len(found) < MAX_LABELS:
            found[label] = bins
    return found


def _maxima(first: Counts, second: Counts) -> list[int]:
    return [*map(max, first, second)]


def _sums(first: Counts, second: Counts) -> list[int]:
    sums = [*map(add, first, second)]
    return sums if max(sums) <= reports.MAX_COUNT else [*map(_limited, sums)]


def _less(new: Counts, known: Counts | None) -> list[int]:
    return [*map(sub, new, known)] if known else [*new]


def _limited(count: int) -> int:
    """Return a count that fits its column: a device may report anything."""
    return min(count, reports.MAX_COUNT)
