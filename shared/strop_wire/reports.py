"""What a device reports about itself in `state`: its software and model, its spool, counts, and the captures it lost."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Self

from strop_wire import fields, messages
from strop_wire.limits import Count, Label, Limits, Number, Text64, Time, Uuid

BINS = 10
"""Confidence bins of the counts a device reports: bin i holds confidences from i/10 up to (i+1)/10."""
LATENCY_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
"""Upper bounds of the latency buckets a device reports, in milliseconds, inclusive; one more bucket holds what is slower."""
KEPT = ("low", "high", "novel", "audit")
"""What images are counted as when they are kept: the reasons, and `audit` for each drawn audit, whatever the reason."""
MAX_USAGE = 16
"""Pairs of model and policy in one `state`."""
MAX_COUNT = 2**53
OUTCOMES = ("installed", "failed")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to one `desired`."""

    deployment: Annotated[Uuid, "the deployment of `desired`"]
    outcome: Annotated[str, Limits({"enum": OUTCOMES}), "`failed` only for a fault of the model itself"]
    reason: Annotated[str, Limits({"maxLength": 1000}), "for failed: the cause as text"] = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Counts since `boot` under one model and one policy. They never decrease, so the cloud stores the maximum of each count."""

    model: Annotated[Text64, "version of the model that classified the images"]
    policy: Annotated[Number, "version of the policy at that time"]
    predictions: Annotated[
        dict[Label, Annotated[list[Count], Limits({"minItems": BINS, "maxItems": BINS})]],
        "images by predicted label: ten counts, for a highest confidence below 0.1, 0.2, … and up to 1; "
        "a label without a change since the last acknowledged state may be omitted",
    ] = field(default_factory=dict)
    rejected: Annotated[Count, "of these images, those that are novel to the model"] = 0
    failed: Annotated[Count, "other images: the model gave no valid result"] = 0
    latency: Annotated[
        list[Count],
        Limits({"minItems": len(LATENCY_MS) + 1, "maxItems": len(LATENCY_MS) + 1}),
        "images of `predictions` by the time from the encoded image to the result, in ms: one count for up to "
        f"{', '.join(map(str, LATENCY_MS))} and above",
    ] = field(default_factory=lambda: [0] * (len(LATENCY_MS) + 1))
    kept: Annotated[
        dict[Annotated[str, Limits({"enum": KEPT})], Count],
        "images that were kept, by reason; `audit` are all drawn audits, also those with another reason",
    ] = field(default_factory=dict)

    @classmethod
    def read(cls, data: dict[str, Any]) -> Self:
        kept = fields.mapping(data, "kept")
        return cls(
            model=fields.text(data, "model", 64),
            policy=fields.whole(data, "policy", 0, 2**31 - 1),
            predictions=_predictions(fields.mapping(data, "predictions")),
            rejected=_count(data, "rejected"),
            failed=_count(data, "failed"),
            latency=_numbers({"latency": [0] * (len(LATENCY_MS) + 1), **data}, "latency", len(LATENCY_MS) + 1),
            kept={name: _count(kept, name) for name in KEPT if name in kept},
        )


MAX_LOST = 300


@dataclass(frozen=True, slots=True)
class Lost:
    """An announced capture whose image the device lost; it will not be uploaded."""

    capture: Annotated[Uuid, "id of the capture"]
    reason: Annotated[Text64, "a reason of `dropped`"]


@dataclass(frozen=True, slots=True)
class State(messages.Message):
    """Up, `state`: the state of the device. Counts are cumulative since `boot`, so a repeated message is idempotent."""

    boot: Annotated[Uuid, "created at each start of the agent"]
    sequence: Annotated[Count, "increments with each state of a boot; an older state is ignored"]
    at: Annotated[Time, "time of the message, by the device's clock"]
    model: Annotated[Text64 | None, "version of the running model; null before the first"]
    agent: Annotated[Text64, "version of the agent's software"]
    policy: Annotated[Number, "version of the applied policy"] = 0
    answer: Annotated[Outcome | None, "to the latest `desired`; repeated in every state"] = None
    spool_items: Annotated[Count, "images in the spool"] = 0
    spool_bytes: Annotated[Count, "bytes of the images in the spool"] = 0
    classified: Annotated[Count, "images classified since boot"] = 0
    dropped: Annotated[dict[str, Count], "images lost since boot, by reason"] = field(default_factory=dict)
    usage: Annotated[
        tuple[Usage, ...],
        Limits({"maxItems": MAX_USAGE}),
        "counts since boot for each pair of model and policy; what the broker has acknowledged may be omitted",
    ] = ()
    errors: Annotated[
        tuple[Annotated[str, Limits({"maxLength": 500})], ...], Limits({"maxItems": 10}), "the latest errors as text"
    ] = ()
    lost: Annotated[
        tuple[Lost, ...],
        Limits({"maxItems": MAX_LOST}),
        "announced captures that the device lost; each is repeated in every state until the cloud answers `drop` or `stored`",
    ] = ()

    @classmethod
    def loads(cls, payload: bytes) -> Self:
        data = fields.load(payload)
        answer = data.get("answer")
        return cls(
            boot=fields.uuid(data, "boot"),
            sequence=fields.whole(data, "sequence", 0, 2**53),
            at=fields.time(data, "at"),
            model=fields.text(data, "model", 64) if data.get("model") is not None else None,
            agent=fields.text(data, "agent", 64),
            policy=fields.whole({"policy": 0, **data}, "policy", 0, 2**31 - 1),
            answer=_outcome(answer) if isinstance(answer, dict) else None,
            spool_items=_count(data, "spool_items"),
            spool_bytes=_count(data, "spool_bytes"),
            classified=_count(data, "classified"),
            dropped={
                str(k)[:64]: _count({"dropped": v}, "dropped") for k, v in fields.mapping(data, "dropped").items()
            },
            usage=tuple(Usage.read(item) for item in fields.objects(data, "usage", MAX_USAGE)),
            errors=tuple(str(e)[:500] for e in data.get("errors", [])[:10])
            if isinstance(data.get("errors"), list)
            else (),
            lost=tuple(
                Lost(fields.uuid(item, "capture"), fields.text(item, "reason", 64))
                for item in fields.objects(data, "lost", MAX_LOST)
            ),
        )


def _count(data: dict[str, Any], name: str) -> int:
    return fields.whole({name: 0, **data}, name, 0, MAX_COUNT)


def _predictions(data: dict[str, Any]) -> dict[str, list[int]]:
    """Read the bins of each label. Those of two spellings of one label are added."""
    found: dict[str, list[int]] = {}
    for name in data:
        bins, label = _numbers(data, name, BINS), fields.label(name)
        found[label] = [min(sum(pair), MAX_COUNT) for pair in zip(bins, found.get(label, [0] * BINS), strict=True)]
    return found


def _numbers(data: dict[str, Any], name: str, length: int) -> list[int]:
    value = data[name]
    if not isinstance(value, list) or len(value) != length:
        raise fields.Malformed(f"{name:.60}: expected {length} numbers")
    if all(type(item) is int and 0 <= item <= MAX_COUNT for item in value):
        return value
    return [fields.whole({name: item}, name, 0, MAX_COUNT) for item in value]  # raises with the reason


def _outcome(data: dict[str, Any]) -> Outcome:
    return Outcome(
        deployment=fields.text(data, "deployment", 64),
        outcome=fields.choice(data, "outcome", OUTCOMES),
        reason=str(data.get("reason") or "")[:1000],
    )
