"""Classification on request, over MQTT: read requests and build responses."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from strop_edge import choose, manifest
from strop_wire import ids, messages, topics

FRESH = 2.0
"""Seconds to wait for an image that is newer than the request; then the latest one is classified again."""


@dataclass(frozen=True, slots=True)
class Request:
    id: str | None  # echoed in the answer, when the request carried one
    reply_to: str  # topic
    at: float = 0.0  # by the monotonic clock: it is answered with an image from then on, if one comes


def reply_topics(project: str, device: str, alias: str | None) -> dict[str, str]:
    """Return the topic of the response by that of the request; the alias has the leading slash of the original walkthrough."""
    own = {topics.classify_request(project, device): topics.classify_response(project, device)}
    return {**own, topics.alias_request(alias): topics.alias_response(alias)} if alias else own


def read(payload: bytes, reply_to: str, at: float = 0.0) -> Request:
    """Read a request: any payload; a JSON object may have an `id`."""
    try:
        data = json.loads(payload)
    except (ValueError, RecursionError):
        data = None
    found = data.get("id") if isinstance(data, dict) else None
    return Request(str(found)[:256] if found is not None else None, reply_to, at)


def answer(
    request: Request,
    device: str,
    described: manifest.Manifest,
    best: messages.Prediction,
    policy: messages.Policy,
    *,
    novel: bool = False,
) -> messages.Answer:
    """Answer with the best label, or with none if it is below its threshold, or the image is novel and the policy rejects these."""
    rejected = novel and policy.reject_novel
    label = "" if rejected else choose.answer(best, described.thresholds, policy)
    shown = f"{best.confidence:.1%}"
    why = "the image is unlike all training images" if rejected else f"{best.label} is too unsure ({shown})"
    text = f"This is {label} ({shown})." if label else f"Nothing known: {why}."
    return _answer(request, device, described.version, messages.Prediction(label, best.confidence), text)


def nothing(request: Request, device: str, version: str | None, why: str) -> messages.Answer:
    """Return the response without an image or a model."""
    return _answer(request, device, version, messages.Prediction("", 0.0), why)


def _answer(
    request: Request, device: str, version: str | None, found: messages.Prediction, text: str
) -> messages.Answer:
    return messages.Answer(
        id=ids.new_id(),
        request=request.id,
        at=datetime.now(UTC),
        device=device,
        model=version,
        label=found.label,
        confidence=found.confidence,
        message=text,
    )
