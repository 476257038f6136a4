"""One class per message. `loads` reads and checks, `dumps` writes; unknown fields are ignored, so the wire can grow.

Times are ISO 8601 in UTC, sizes are bytes, confidences and probabilities run from 0 to 1.
"""

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from strop_wire import VERSION, fields

REASONS = ("low", "high", "novel", "request", "audit")
IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp")
MAX_IMAGE_BYTES = 20 * 1024 * 1024
BINS = 10
"""Confidence bins of the counts a device reports: bin i holds confidences from i/10 up to (i+1)/10."""


class Message:
    """What all messages share: they are JSON objects with a version."""

    def dumps(self) -> bytes:
        body: dict[str, Any] = {"v": VERSION, **asdict(self)}  # type: ignore[call-overload]
        return json.dumps(body, separators=(",", ":"), default=_plain, allow_nan=False).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    raise TypeError(f"cannot write {type(value).__name__}")


@dataclass(frozen=True, slots=True)
class Prediction:
    label: str
    confidence: float


def _predictions(data: dict[str, Any]) -> tuple[Prediction, ...]:
    found = tuple(
        Prediction(fields.label(item.get("label")), fields.number(item, "confidence", 0, 1))
        for item in fields.objects(data, "predictions", 1000)
    )
    if not found:
        raise fields.Malformed("predictions: expected at least one")
    return tuple(sorted(found, key=lambda p: -p.confidence))


@dataclass(frozen=True, slots=True)
class Capture(Message):
    """Up, `capture`: a device kept an image and offers it. The image itself stays in the device's spool."""

    id: str  # UUIDv7 made by the device
    captured_at: datetime
    model: str  # the model version that predicted, "v3"
    predictions: tuple[Prediction, ...]  # ranked, best first
    reason: str  # why it was kept, one of REASONS; "audit" when nothing but the audit chose it
    audit: bool  # drawn first, with `audit_probability`, whatever the confidence
    audit_probability: float
    probability: float  # that this image would be kept under the device's policy
    policy: int  # version of that policy
    sha256: str
    size: int
    content_type: str
    phash: str | None = None  # 64-bit difference hash, hexadecimal
    seen: int = 1  # how many near-identical frames this one stands for

    @property
    def label(self) -> str:
        return self.predictions[0].label

    @property
    def confidence(self) -> float:
        return self.predictions[0].confidence

    @property
    def margin(self) -> float:
        """Distance between the two best confidences; the confidence itself when there is only one label."""
        second = self.predictions[1].confidence if len(self.predictions) > 1 else 0.0
        return self.predictions[0].confidence - second

    @classmethod
    def loads(cls, payload: bytes) -> Self:
        data = fields.load(payload)
        return cls(
            id=fields.uuid(data, "id"),
            captured_at=fields.time(data, "captured_at"),
            model=fields.text(data, "model", 64),
            predictions=_predictions(data),
            reason=fields.choice(data, "reason", REASONS),
            audit=fields.flag(data, "audit"),
            audit_probability=fields.number(data, "audit_probability", 0, 1),
            probability=fields.number(data, "probability", 0, 1),
            policy=fields.whole(data, "policy", 0, 2**31 - 1),
            sha256=fields.sha256(data, "sha256"),
            size=fields.whole(data, "size", 1, MAX_IMAGE_BYTES),
            content_type=fields.choice(data, "content_type", IMAGE_TYPES),
            phash=fields.phash(data, "phash"),
            seen=fields.whole({"seen": 1, **data}, "seen", 1, 2**31 - 1),
        )


ACTIONS = ("upload", "drop", "stored")


@dataclass(frozen=True, slots=True)
class CaptureGrant:
    """What the device shall do with one capture. Only `drop` and `stored` free its spool."""

    capture: str
    action: str  # one of ACTIONS
    url: str | None = None  # for upload: a presigned PUT, to be sent with exactly `headers`
    headers: dict[str, str] = field(default_factory=dict)
    reason: str | None = None  # for drop: why, in words


@dataclass(frozen=True, slots=True)
class FileGrant:
    """Where to get one file of a model; the device checks hash and size."""

    sha256: str
    size: int
    url: str  # a presigned GET


@dataclass(frozen=True, slots=True)
class Grant(Message):
    """Down, `grant`: answers to captures and to `fetch`. URLs expire; announcing or fetching again renews them."""

    captures: tuple[CaptureGrant, ...] = ()
    files: tuple[FileGrant, ...] = ()

    @classmethod
    def loads(cls, payload: bytes) -> Self:
        data = fields.load(payload)
        return cls(
            captures=tuple(_capture_grant(item) for item in fields.objects(data, "captures", 1000)),
            files=tuple(
                FileGrant(
                    fields.sha256(item, "sha256"),
                    fields.whole(item, "size", 0, 2**40),
                    fields.text(item, "url", 8192),
                )
                for item in fields.objects(data, "files", 100)
            ),
        )


def _capture_grant(item: dict[str, Any]) -> CaptureGrant:
    action = fields.choice(item, "action", ACTIONS)
    headers = {str(k): str(v) for k, v in fields.mapping(item, "headers").items()}
    url = fields.text(item, "url", 8192) if action == "upload" else None
    reason = str(item["reason"]) if item.get("reason") else None
    return CaptureGrant(fields.uuid(item, "capture"), action, url, headers, reason)


@dataclass(frozen=True, slots=True)
class Policy:
    """The part of a project's policy that a device applies alone."""

    version: int = 0
    measure: str = "margin"  # "margin" or "confidence": what low and high are compared with
    low: float = 0.6  # below: uncertain, always kept
    high: float = 0.9  # above: very confident, kept with `high_rate`
    high_rate: float = 0.02
    audit_rate: float = 0.05

    @classmethod
    def read(cls, data: dict[str, Any]) -> Self:
        low = fields.number(data, "low", 0, 1)
        high = fields.number(data, "high", 0, 1)
        if low > high:
            raise fields.Malformed(f"policy: low {low} is above high {high}")
        return cls(
            version=fields.whole(data, "version", 0, 2**31 - 1),
            measure=fields.choice(data, "measure", ("margin", "confidence")),
            low=low,
            high=high,
            high_rate=fields.number(data, "high_rate", 0, 1),
            audit_rate=fields.number(data, "audit_rate", 0, 1),
        )


@dataclass(frozen=True, slots=True)
class ModelFile:
    sha256: str
    size: int


MODEL_FILES = ("model.json", "head.onnx", "backbone.onnx")


@dataclass(frozen=True, slots=True)
class Desired(Message):
    """Down, `desired`, retained: the model and policy this device shall run. No URLs: those expire."""

    deployment: str  # the answer in `state` names it
    model: str
    files: dict[str, ModelFile]  # by name, one of MODEL_FILES
    policy: Policy

    @classmethod
    def loads(cls, payload: bytes) -> Self:
        data = fields.load(payload)
        files = {
            name: ModelFile(fields.sha256(item, "sha256"), fields.whole(item, "size", 0, 2**40))
            for name, item in fields.mapping(data, "files").items()
            if isinstance(item, dict)
        }
        if missing := [name for name in MODEL_FILES if name not in files]:
            raise fields.Malformed(f"files: {', '.join(missing)} missing")
        return cls(
            deployment=fields.text(data, "deployment", 64),
            model=fields.text(data, "model", 64),
            files={name: files[name] for name in MODEL_FILES},
            policy=Policy.read(fields.mapping(data, "policy")),
        )


@dataclass(frozen=True, slots=True)
class Fetch(Message):
    """Up, `fetch`: the device asks where to get these files of a model."""

    files: tuple[str, ...]  # sha256

    @classmethod
    def loads(cls, payload: bytes) -> Self:
        data = fields.load(payload)
        wanted = data.get("files")
        if not isinstance(wanted, list) or not 1 <= len(wanted) <= 16:
            raise fields.Malformed("files: expected a list of 1 to 16 hashes")
        return cls(tuple(fields.sha256({"files": item}, "files") for item in wanted))


OUTCOMES = ("installed", "failed")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to one `desired`."""

    deployment: str
    outcome: str  # one of OUTCOMES
    reason: str = ""  # for failed: what went wrong, in words


@dataclass(frozen=True, slots=True)
class State(Message):
    """Up, `state`: how the device is. Counts are cumulative since `boot`, so a repeated message changes nothing."""

    boot: str  # UUID of this start of the agent
    sequence: int  # grows by one with each state of a boot
    at: datetime
    model: str | None  # None before the first model
    agent: str  # version of the agent
    policy: int = 0
    answer: Outcome | None = None
    spool_items: int = 0
    spool_bytes: int = 0
    classified: int = 0  # images since boot
    dropped: dict[str, int] = field(default_factory=dict)  # by reason, since boot
    counts: dict[str, list[int]] = field(
        default_factory=dict
    )  # predicted label -> BINS counts of confidence, since boot
    errors: tuple[str, ...] = ()  # the latest few, in words

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
            counts={fields.label(k): _bins(v) for k, v in fields.mapping(data, "counts").items()},
            errors=tuple(str(e)[:500] for e in data.get("errors", [])[:10])
            if isinstance(data.get("errors"), list)
            else (),
        )


def _count(data: dict[str, Any], name: str) -> int:
    return fields.whole({name: 0, **data}, name, 0, 2**53)


def _bins(value: Any) -> list[int]:
    if not isinstance(value, list) or len(value) != BINS:
        raise fields.Malformed(f"counts: expected {BINS} numbers per label")
    return [_count({"counts": item}, "counts") for item in value]


def _outcome(data: dict[str, Any]) -> Outcome:
    return Outcome(
        deployment=fields.text(data, "deployment", 64),
        outcome=fields.choice(data, "outcome", OUTCOMES),
        reason=str(data.get("reason") or "")[:1000],
    )


@dataclass(frozen=True, slots=True)
class Answer(Message):
    """Up, `response/prediction/…`: the answer to a classify request. The label is empty when nothing passes."""

    id: str  # of this answer, UUIDv7
    request: str | None  # the `id` of the request, when it carried one
    at: datetime
    device: str
    model: str | None
    label: str
    confidence: float
    message: str  # a sentence, as in the original walkthrough

    @classmethod
    def loads(cls, payload: bytes) -> Self:
        data = fields.load(payload)
        return cls(
            id=fields.uuid(data, "id"),
            request=str(data["request"]) if data.get("request") is not None else None,
            at=fields.time(data, "at"),
            device=fields.text(data, "device"),
            model=fields.text(data, "model", 64) if data.get("model") is not None else None,
            label=str(data.get("label", "")),
            confidence=fields.number(data, "confidence", 0, 1),
            message=str(data.get("message", "")),
        )
