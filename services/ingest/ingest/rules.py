"""What ingest decides about the messages of devices, without touching anything."""

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
class Announcement:
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


def read(topic: str, payload: bytes) -> Announcement | Refusal:
    """Read one MQTT message, whatever its sender put in it."""
    try:
        return _announcement(topic, payload)
    except fields.Malformed as error:
        return Refusal("malformed", letter(topic, payload), f"{topic[:200]!r}: {error}"[:1000], sender(topic))


def _announcement(topic: str, payload: bytes) -> Announcement:
    address = topics.parse(topic)
    if address is None or address.kind not in _READERS:
        raise fields.Malformed("not a topic on which devices speak")
    content = _READERS[address.kind].loads(payload)
    if isinstance(content, reports.State) and content.answer:
        fields.uuid({"deployment": content.answer.deployment}, "deployment")
    return Announcement(topic, payload, address, content)


def refuse(announcement: Announcement, kind: str, reason: str) -> Refusal:
    return Refusal(kind, letter(announcement.topic, announcement.payload), reason, sender(announcement.topic))


def sender(topic: str) -> str:
    """Return the device that a topic names, as "project/device"; "" if it names none."""
    address = topics.parse(topic)
    return f"{address.project}/{address.device}" if address else ""


def letter(topic: str, payload: bytes) -> str:
    """Write down a message for people to read: as text when it is some, else in base64, cut to what a queue takes."""
    try:
        text = json.dumps({"topic": topic[:256], "payload": payload.decode()})
    except UnicodeDecodeError:
        text = ""
    if text and len(text) <= MAX_LETTER:
        return text
    return json.dumps({"topic": topic[:256], "base64": base64.b64encode(payload[:MAX_PAYLOAD]).decode()})


class MessageRetried(events.Event):
    """Somebody retried the dead letter of a message that a device had sent; ingest's own, so it is in no map."""

    topic: str
    payload: bytes


def read_letter(letter: Mapping[str, Any]) -> MessageRetried:
    """Read back what `letter` wrote down. What was cut there is refused again here: only what no device may say is cut."""
    try:
        topic = str(letter["topic"])
        payload = letter["payload"].encode() if "payload" in letter else base64.b64decode(letter["base64"])
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise errors.InvalidMessage(f"not a dead letter of ingest: {type(error).__name__}: {error}") from error
    project = address.project if (address := topics.parse(topic)) else ""
    return MessageRetried(project=project, topic=topic, payload=payload)


def capture_row(announcement: Announcement) -> dict[str, Any]:
    """The columns of `captures` that a device fills in."""
    capture = announcement.content
    assert isinstance(capture, messages.Capture)
    return {
        "id": UUID(capture.id),
        "project": announcement.address.project,
        "device": announcement.address.device,
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


def newest(states: Iterable[Announcement]) -> dict[tuple[str, str, UUID], reports.State]:
    """The newest state of each boot of each device, in the order of their first arrival."""
    found: dict[tuple[str, str, UUID], reports.State] = {}
    for announcement in states:
        state = announcement.content
        assert isinstance(state, reports.State)
        key = (*announcement.device, UUID(state.boot))
        if key not in found or found[key].sequence < state.sequence:
            found[key] = state
    return found


def lost(said: Iterable[Announcement]) -> dict[tuple[Device, UUID], str]:
    """Why captures of these devices will never come. From every state, however old: none is told for ever."""
    found: dict[tuple[Device, UUID], str] = {}
    for announcement in said:
        state = announcement.content
        assert isinstance(state, reports.State)
        found |= {(announcement.device, UUID(each.capture)): LOST + each.reason for each in state.lost}
    return found


def may_arrive(state: str, reason: str | None) -> bool:
    """Whether an image is taken that comes now. What a device lost may have been on its way: it lost it after the upload."""
    return state == states.UploadState.GRANTED or (
        state == states.UploadState.DROPPED and (reason or "").startswith(LOST)
    )


def reported(device: Device, state: reports.State) -> events.DeviceReported:
    """The event of one state. Its id follows from the state's own, so that a repeat of the message changes nothing."""
    project, name = device
    said = {"project": project, "device": name, "model": state.model}
    if state.answer:
        said |= {
            "deployment_id": state.answer.deployment,
            "outcome": state.answer.outcome,
            "reason": state.answer.reason,
        }
    return events.DeviceReported.model_validate(
        {"id": uuid5(UUID(state.boot), f"{project}/{name}/{state.sequence}"), **said}
    )


def pack(grants: Sequence[messages.CaptureGrant]) -> Iterator[tuple[messages.CaptureGrant, ...]]:
    """Cut the answers for one device into messages that the wire takes."""
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
