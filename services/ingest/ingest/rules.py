"""What ingest decides about the messages of devices and their uploads; pure."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from strop_contracts import errors, events, states
from strop_wire import MAX_PAYLOAD, fields, messages, reports, topics

Content = messages.Capture | reports.State | messages.Fetch
Device = tuple[str, str]  # project, name

LOST = "device: "
"""How the reason of an upload begins whose image the device lost."""

MAX_ATTEMPTS = 3
"""Uploads that do not match their announcement before the capture is dropped."""

MAX_LETTER = 200_000
"""Bytes of a dead letter: a queue takes 256 KB with everything around it."""

MAX_GRANT = 100_000
"""Bytes of a grant message, with room to spare under the wire's limit."""

_READERS: Mapping[str, type[messages.Capture | reports.State | messages.Fetch]] = {
    "capture": messages.Capture,
    "state": reports.State,
    "fetch": messages.Fetch,
}


@dataclass(frozen=True, slots=True)
class DeviceMessage:
    """One well-formed message of a device."""

    topic: str
    payload: bytes
    address: topics.Address
    content: Content

    @property
    def device(self) -> Device:
        return self.address.project, self.address.device


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message that cannot be accepted, on its way to the dead-letter queue."""

    kind: str  # for the metric: "malformed", "unknown", "conflict" or "missing"
    letter: str
    reason: str
    sender: str  # "project/device" of the topic; "" when the topic has none


def read(topic: str, payload: bytes) -> DeviceMessage | Refusal:
    """Read one message of a device; a malformed one becomes a Refusal."""
    try:
        return _well_formed(topic, payload)
    except fields.Malformed as error:
        return Refusal("malformed", letter(topic, payload), f"{topic[:200]!r}: {error}"[:1000], sender(topic))


def _well_formed(topic: str, payload: bytes) -> DeviceMessage:
    address = topics.parse(topic)
    if address is None or address.kind not in _READERS:
        raise fields.Malformed("not a topic on which devices publish")
    content = _READERS[address.kind].loads(payload)
    if isinstance(content, reports.State) and content.answer:
        fields.uuid({"deployment": content.answer.deployment}, "deployment")
    return DeviceMessage(topic, payload, address, content)


def refusal(message: DeviceMessage, kind: str, reason: str) -> Refusal:
    """Refuse a well-formed message."""
    return Refusal(kind, letter(message.topic, message.payload), reason, sender(message.topic))


def sender(topic: str) -> str:
    """Return the device that a topic names, as "project/device"; "" if it names none."""
    address = topics.parse(topic)
    return f"{address.project}/{address.device}" if address else ""


def letter(topic: str, payload: bytes) -> str:
    """Return the body of a message's dead letter: the payload as text if it is UTF-8, else in base64, cut to the queue's limit."""
    try:
        text = json.dumps({"topic": topic[:256], "payload": payload.decode()})
    except UnicodeDecodeError:
        text = ""
    if text and len(text) <= MAX_LETTER:
        return text
    return json.dumps({"topic": topic[:256], "base64": base64.b64encode(payload[:MAX_PAYLOAD]).decode()})


class MessageRetried(events.Event):
    """The dead letter of a device's message was retried; an event within ingest, so `topology` has no route for it."""

    topic: str
    payload: bytes


def read_letter(letter: Mapping[str, Any]) -> MessageRetried:
    """Read what `letter` returned. A payload that was cut there is refused again: it is longer than the wire allows."""
    try:
        topic = str(letter["topic"])
        payload = letter["payload"].encode() if "payload" in letter else base64.b64decode(letter["base64"])
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise errors.InvalidMessage(f"not a dead letter of ingest: {type(error).__name__}: {error}") from error
    project = address.project if (address := topics.parse(topic)) else ""
    return MessageRetried(project=project, topic=topic, payload=payload)


def capture_row(message: DeviceMessage) -> dict[str, Any]:
    """Return the columns of `captures` that a device fills in."""
    capture = message.content
    assert isinstance(capture, messages.Capture)
    return {
        "id": UUID(capture.id),
        "project": message.address.project,
        "device": message.address.device,
        "captured_at": capture.captured_at,
        "model": capture.model,
        "predictions": [{"label": each.label, "confidence": each.confidence} for each in capture.predictions],
        "label": capture.label,
        "confidence": capture.confidence,
        "margin": capture.margin,
        "reason": capture.reason,
        "audit": capture.audit,
        "audit_probability": capture.audit_probability,
        "probability": capture.probability,
        "policy": capture.policy,
        "sha256": capture.sha256,
        "size": capture.size,
        "content_type": capture.content_type,
        "phash": capture.phash,
        "seen": capture.seen,
    }


def difference(announced: Mapping[str, Any], known: object) -> str | None:
    """Name the first column in which a repeat differs from its row. `seen` may grow while the device holds the image."""
    return next(
        (name for name, value in announced.items() if name != "seen" and getattr(known, name) != value),
        None,
    )


def state(message: DeviceMessage) -> reports.State:
    """Return the content of a `state` message."""
    assert isinstance(message.content, reports.State)
    return message.content


def fetched(message: DeviceMessage) -> Sequence[str]:
    """Return the hashes that a `fetch` message requests."""
    assert isinstance(message.content, messages.Fetch)
    return message.content.files


def newest(received: Iterable[DeviceMessage]) -> dict[tuple[str, str, UUID], reports.State]:
    """Return the newest state of each boot of each device, in the order of their first arrival."""
    newest_states: dict[tuple[str, str, UUID], reports.State] = {}
    for message in received:
        content = state(message)
        key = (*message.device, UUID(content.boot))
        if key not in newest_states or newest_states[key].sequence < content.sequence:
            newest_states[key] = content
    return newest_states


def lost(received: Iterable[DeviceMessage]) -> dict[tuple[Device, UUID], str]:
    """Return why devices lost captures. Every state counts, also an old one: none of them is repeated permanently."""
    return {
        (message.device, UUID(each.capture)): LOST + each.reason for message in received for each in state(message).lost
    }


def accepts_image(upload_state: str, reason: str | None) -> bool:
    """Whether an image that arrives is stored. A device may report a capture as lost after it uploaded the image."""
    return upload_state == states.UploadState.GRANTED or (
        upload_state == states.UploadState.DROPPED and (reason or "").startswith(LOST)
    )


def mismatch(announced_size: int, announced_sha256: str, size: int, sha256: str) -> str | None:
    """Return how an uploaded file differs from its announcement; `size` is at most one byte over the announced one."""
    if size > announced_size:
        return f"longer than the announced {announced_size} bytes"
    if size < announced_size:
        return f"{size} bytes instead of the announced {announced_size}"
    if sha256 != announced_sha256:
        return f"sha256 {sha256} instead of the announced {announced_sha256}"
    return None


def reported(device: Device, content: reports.State) -> events.DeviceReported:
    """Return the event of one state. Its id is derived from the state's own, so a repeated message is idempotent."""
    project, name = device
    id_ = uuid5(UUID(content.boot), f"{project}/{name}/{content.sequence}")
    event = {"id": id_, "project": project, "device": name, "model": content.model}
    if answer := content.answer:
        event |= {"deployment_id": answer.deployment, "outcome": answer.outcome, "reason": answer.reason}
    return events.DeviceReported.model_validate(event)


def pack(grants: Sequence[messages.CaptureGrant]) -> Iterator[tuple[messages.CaptureGrant, ...]]:
    """Split the answers for one device into messages within the wire's limit."""
    group: list[messages.CaptureGrant] = []
    size = 0
    for grant in grants:
        added = len(messages.Grant(captures=(grant,)).dumps())
        if group and size + added > MAX_GRANT:
            yield tuple(group)
            group, size = [], 0
        group.append(grant)
        size += added
    if group:
        yield tuple(group)
