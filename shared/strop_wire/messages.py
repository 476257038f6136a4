"""One class per message; `state` is in `reports`. `loads` parses and validates, `dumps` serialises. Unknown fields are
ignored, so fields can be added.

Times are ISO 8601 in UTC, sizes are bytes, confidences and probabilities run from 0 to 1. The types of the
fields define their limits, and the texts beside them become the documentation of the wire (`limits`, `docs/wire.md`).
"""

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from operator import itemgetter
from typing import Annotated, Any, Self

from strop_wire import VERSION, fields
from strop_wire.limits import (
    MAX_FILE_BYTES,
    Bytes,
    FileName,
    FileSize,
    Label,
    Limits,
    Number,
    Phash,
    Positive,
    Sha256,
    Share,
    Text64,
    Text256,
    Time,
    Url,
    Uuid,
)

REASONS = ("low", "high", "novel", "request", "audit")
IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp")
MAX_IMAGE_BYTES = 20 * 1024 * 1024


class Message:
    """The common part of all messages: they are JSON objects with a version."""

    def dumps(self) -> bytes:
        """Return JSON in UTF-8, which is half the size of escapes. An unpaired surrogate (a file's name in an error) becomes
        `?`, because no reader accepts it.
        """
        body: dict[str, Any] = {"v": VERSION, **asdict(self)}  # type: ignore[call-overload]
        text = json.dumps(body, separators=(",", ":"), default=_plain, allow_nan=False, ensure_ascii=False)
        return text.encode(errors="replace")

    @classmethod
    def loads(cls, payload: bytes) -> Self:
        """Parse and validate; Malformed with the reason."""
        raise NotImplementedError


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    raise TypeError(f"cannot write {type(value).__name__}")


@dataclass(frozen=True, slots=True)
class Prediction:
    """One label and the model's confidence in it."""

    label: Annotated[Label, "see Labels: any text, including slashes and joiners; no control or invisible characters"]
    confidence: Annotated[Share, "of the model"]


def _predictions(data: dict[str, Any]) -> tuple[Prediction, ...]:
    """Read the ranking. Confidences of two spellings of one label are added."""
    found: dict[str, float] = {}
    for item in fields.objects(data, "predictions", 1000):
        label, confidence = fields.label(item.get("label")), fields.share(item, "confidence")
        found[label] = min(found[label] + confidence, 1.0) if label in found else confidence
    if not found:
        raise fields.Malformed("predictions: expected at least one")
    return tuple(Prediction(*each) for each in sorted(found.items(), key=itemgetter(1), reverse=True))


@dataclass(frozen=True, slots=True)
class Capture(Message):
    """Up, `capture`: a device kept an image and offers it. The image itself stays in the device's spool."""

    id: Annotated[Uuid, "created by the device, version 7; the same in every repeat"]
    captured_at: Annotated[Time, "when the image was taken, by the device's clock"]
    model: Annotated[Text64, "version of the model of the prediction, such as `v3`"]
    predictions: Annotated[
        tuple[Prediction, ...], Limits({"minItems": 1, "maxItems": 1000}), "all labels or the best few, best first"
    ]
    reason: Annotated[str, Limits({"enum": REASONS}), "why it was kept; `audit` if only the audit selected it"]
    audit: Annotated[bool, "drawn at random, before the prediction is evaluated"]
    audit_probability: Annotated[Share, "probability of an audit"]
    probability: Annotated[
        Share, "inclusion probability: of keeping such an image under the device's policy, including the audit"
    ]
    policy: Annotated[Number, "version of that policy, 0 for the defaults"]
    sha256: Annotated[Sha256, "of the image's bytes, lower-case hexadecimal"]
    size: Annotated[int, Limits({"minimum": 1, "maximum": MAX_IMAGE_BYTES}), "bytes of the image"]
    content_type: Annotated[str, Limits({"enum": IMAGE_TYPES}), "media type of the image"]
    phash: Annotated[Phash | None, "64-bit difference hash, lower-case hexadecimal"] = None
    seen: Annotated[Positive, "number of near-identical frames that this one represents"] = 1

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
            audit_probability=fields.share(data, "audit_probability"),
            probability=fields.share(data, "probability"),
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
    """The decision on one capture. Only `drop` and `stored` free the device's spool."""

    capture: Annotated[Uuid, "id of the capture"]
    action: Annotated[
        str,
        Limits({"enum": ACTIONS}),
        "`upload`: PUT the image to `url`; `drop`: declined; `stored`: verified and stored",
    ]
    url: Annotated[Url | None, "for upload: a presigned URL, valid for an hour"] = None
    headers: Annotated[dict[str, str], "for upload: headers to send unchanged; otherwise the signature is invalid"] = (
        field(default_factory=dict)
    )
    reason: Annotated[str | None, "for drop: the reason as text"] = None


@dataclass(frozen=True, slots=True)
class FileGrant:
    """The URL of one file of a model; the device verifies hash and size."""

    sha256: Annotated[Sha256, "of the file"]
    size: Annotated[Bytes, "bytes of the file"]
    url: Annotated[Url, "a presigned GET, valid for an hour; supports ranges"]


@dataclass(frozen=True, slots=True)
class Grant(Message):
    """Down, `grant`: answers to captures and to `fetch`. URLs expire; a repeated announcement or `fetch` returns new ones."""

    captures: Annotated[
        tuple[CaptureGrant, ...], Limits({"maxItems": 1000}), "answers to captures, several in one message"
    ] = ()
    files: Annotated[tuple[FileGrant, ...], Limits({"maxItems": 100}), "answers to `fetch`"] = ()

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


MEASURES = ("margin", "confidence")


@dataclass(frozen=True, slots=True)
class Policy:
    """The part of a project's policy that a device applies alone."""

    version: Annotated[Number, "0 for the defaults; every capture contains it"] = 0
    measure: Annotated[
        str,
        Limits({"enum": MEASURES}),
        "quantity compared with low and high: the highest confidence minus the second highest, or the highest",
    ] = "margin"
    low: Annotated[Share, "below it an image is uncertain and always kept"] = 0.6
    high: Annotated[Share, "above it the model is very confident: kept with `high_rate`; at least `low`"] = 0.9
    high_rate: Annotated[Share, "share of the images above `high` that is kept"] = 0.02
    audit_rate: Annotated[Share, "share of all images that is kept as an audit, for any prediction"] = 0.05
    thresholds: Annotated[
        dict[Label, Share], "least confidence of an answer by label, in place of the model's; other labels keep theirs"
    ] = field(default_factory=dict)
    reject_novel: Annotated[bool, "whether an image above the model's novelty threshold is answered with no label"] = (
        True
    )

    @classmethod
    def read(cls, data: dict[str, Any]) -> Self:
        low = fields.share(data, "low")
        high = fields.share(data, "high")
        if low > high:
            raise fields.Malformed(f"policy: low {low} is above high {high}")
        return cls(
            version=fields.whole(data, "version", 0, 2**31 - 1),
            measure=fields.choice(data, "measure", MEASURES),
            low=low,
            high=high,
            high_rate=fields.share(data, "high_rate"),
            audit_rate=fields.share(data, "audit_rate"),
            thresholds=fields.shares(data, "thresholds"),
            reject_novel=fields.flag({"reject_novel": True, **data}, "reject_novel"),
        )


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of a model; `fetch` requests its URL."""

    sha256: Annotated[Sha256, "of the file"]
    size: Annotated[FileSize, "bytes of the file"]


MANIFEST = "model.json"
SIGNATURE = "model.sig"
"""Optional in `files`: the signature of model.json, see docs/wire.md."""
"""The file of a package that lists the others."""
MAX_FILES = 16
"""Of one package, its manifest included: as many as one `fetch` asks for."""


def model_files(data: Any) -> dict[str, ModelFile]:
    """Read the files of a package by name; Malformed with the reason. A name is never a path."""
    if not isinstance(data, dict) or not 1 <= len(data) <= MAX_FILES:
        raise fields.Malformed(f"files: expected 1 to {MAX_FILES} files by name")
    found = {}
    for name, item in data.items():
        if not fields.is_file_name(name) or not isinstance(item, dict):
            raise fields.Malformed(f"files: expected objects by plain file name, got {name!r:.60}")
        found[name] = ModelFile(fields.sha256(item, "sha256"), fields.whole(item, "size", 1, MAX_FILE_BYTES))
    return found


@dataclass(frozen=True, slots=True)
class Desired(Message):
    """Down, `desired`, retained: the model and policy that this device runs. It contains no URLs, because URLs expire."""

    deployment: Annotated[Text64, "id of the deployment, a UUID; the answer in `state` refers to it"]
    model: Annotated[Text64, "version of the model, such as `v3`"]
    files: Annotated[
        dict[FileName, ModelFile],
        Limits({"required": (MANIFEST,), "maxProperties": MAX_FILES}),
        "all files of the model by name; `model.json` lists the others but its signature `model.sig`, and states what each is",
    ]
    policy: Annotated[Policy, "which images to keep from now on"]

    @classmethod
    def loads(cls, payload: bytes) -> Self:
        data = fields.load(payload)
        files = model_files(data.get("files"))
        if MANIFEST not in files:
            raise fields.Malformed(f"files: {MANIFEST} missing")
        return cls(
            deployment=fields.text(data, "deployment", 64),
            model=fields.text(data, "model", 64),
            files=files,
            policy=Policy.read(fields.mapping(data, "policy")),
        )


@dataclass(frozen=True, slots=True)
class Fetch(Message):
    """Up, `fetch`: the device requests the URLs of model files."""

    files: Annotated[
        tuple[Sha256, ...], Limits({"minItems": 1, "maxItems": MAX_FILES}), "hashes, as `desired` names them"
    ]

    @classmethod
    def loads(cls, payload: bytes) -> Self:
        data = fields.load(payload)
        wanted = data.get("files")
        if not isinstance(wanted, list) or not 1 <= len(wanted) <= MAX_FILES:
            raise fields.Malformed(f"files: expected a list of 1 to {MAX_FILES} hashes")
        return cls(tuple(fields.sha256({"files": item}, "files") for item in wanted))


@dataclass(frozen=True, slots=True)
class Answer(Message):
    """Up, `response/prediction/…`: the response to a classify request. The label is empty if no label reaches its threshold."""

    id: Annotated[Uuid, "of this answer, version 7"]
    request: Annotated[str | None, "the `id` of the request, if present"]
    at: Annotated[Time, "time of the message, by the device's clock"]
    device: Annotated[Text256, "name of the device"]
    model: Annotated[Text64 | None, "version of the model; null before the first"]
    label: Annotated[str, "empty if no label reaches its threshold"]
    confidence: Annotated[Share, "of the best label, even below its threshold"]
    message: Annotated[str, "the result as a sentence"]

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
            confidence=fields.share(data, "confidence"),
            message=str(data.get("message", "")),
        )
