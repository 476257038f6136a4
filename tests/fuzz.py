"""Everything that reads what strangers send, and inputs to throw at it: `make test` throws a few, `make soak` many.

A reader gives a result or its own kind of refusal; any other exception is a bug.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import image_store, object_changes, object_keys, rules, sources
from ingest.sources import mqtt, s3
from strop import deadletters, letter_rows
from strop_contracts import errors, events
from strop_edge import image as edge_image
from strop_edge import ondemand
from strop_image import decoder
from strop_wire import MAX_PAYLOAD, fields, messages, reports, topics
from tests import damage, wellformed
from tests.unit.strop_wire import strategies

READERS = (mqtt.MqttSource, s3.S3Source)


@dataclass(frozen=True, slots=True)
class Target:
    read: Callable[[Any], Any]
    inputs: st.SearchStrategy[Any]
    refusals: tuple[type[Exception], ...]


# --- inputs ---

anything = st.binary(max_size=300) | strategies.json_values.map(lambda value: json.dumps(value).encode())
pictures = damage.in_bytes(wellformed.pictures) | st.binary()


def said(kind: type[messages.Message]) -> st.SearchStrategy[bytes]:
    """A message of this kind, damaged; now and then another one's, or anything."""
    every = st.one_of(*wellformed.MESSAGES.values())
    return mostly(damage.json_of(wellformed.MESSAGES[kind]), damage.json_of(every) | anything)


def heard(kind: type[messages.Message]) -> st.SearchStrategy[tuple[str, bytes]]:
    """The same with its topic; now and then with another."""
    others = st.sampled_from(sorted(wellformed.TOPICS.values())) | st.text(max_size=40)
    return st.tuples(mostly(st.just(wellformed.TOPICS[kind]), others), said(kind))


def queued(*whole: st.SearchStrategy[bytes]) -> st.SearchStrategy[str]:
    """What a queue may hand over: text."""
    damaged = mostly(st.one_of(*map(damage.json_of, whole)), anything)
    return damaged.map(lambda body: body.decode(errors="replace"))


def refused() -> st.SearchStrategy[bytes]:
    """Letters as ingest writes them down: whole themselves, of damaged messages."""
    return st.one_of(*map(heard, wellformed.UP)).map(lambda message: rules.letter(*message).encode())


def mostly(usual: st.SearchStrategy[Any], rare: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 9).flatmap(lambda n: usual if n else rare)


# --- readers ---


def _read_wire(kind: Any) -> Callable[[bytes], None]:
    def read(payload: bytes) -> None:
        message = kind.loads(payload)
        assert kind.loads(message.dumps()) == message

    return read


def _read_heard(message: tuple[str, bytes]) -> None:
    """An announcement or a refusal; what was refused can be written down and read back, what was not becomes rows."""
    topic, payload = message
    match rules.read(topic, payload):
        case rules.Refusal(letter=letter):
            again = rules.read_letter(json.loads(letter))
            assert len(topic) > 256 or len(payload) > MAX_PAYLOAD or (again.topic, again.payload) == message
        case rules.DeviceMessage(content=messages.Capture()) as announcement:
            json.dumps(rules.capture_row(announcement)["predictions"], allow_nan=False).encode()
        case rules.DeviceMessage(content=reports.State()) as announcement:
            for (project, device, _), state in rules.newest([announcement]).items():
                events.loads(rules.reported((project, device), state).dumps())


def _read_queued(body: str) -> None:
    """An event as another reads it, with places that can be told apart."""
    found = sources.loads(body, READERS)
    if isinstance(found, object_changes.ObjectsChanged):
        for key, _ in found.objects:
            object_keys.parse(key)
    elif isinstance(found, rules.MessageRetried):
        _read_heard((found.topic, found.payload))
    elif found:
        assert events.loads(found.dumps()) == found


def _show(body: str) -> None:
    """A dead letter, as the page shows it."""
    deadletters.pretty(letter_rows.storable(body)).encode()


_EVENTS = wellformed.EVENTS.values()
_INVALID = (errors.InvalidMessage,)

TARGETS: Mapping[str, Target] = {
    **{
        f"{kind.__name__} on the wire": Target(_read_wire(kind), said(kind), (fields.Malformed,))
        for kind in wellformed.MESSAGES
    },
    **{f"{kind.__name__} at ingest": Target(_read_heard, heard(kind), ()) for kind in wellformed.UP},
    "a request to a device": Target(lambda body: ondemand.read(body, "topic"), anything, ()),
    "a topic": Target(topics.parse, st.text(max_size=60), ()),
    "an event": Target(events.loads, queued(*_EVENTS), _INVALID),
    "an event at ingest": Target(_read_queued, queued(*_EVENTS), _INVALID),
    "what S3 says": Target(_read_queued, queued(wellformed.notifications), _INVALID),
    "a letter that is retried": Target(_read_queued, queued(refused()) | refused().map(bytes.decode), _INVALID),
    "a letter on its page": Target(_show, queued(*_EVENTS, refused()) | refused().map(bytes.decode), ()),
    "a key of the bucket": Target(object_keys.parse, wellformed.keys | st.text(max_size=60), _INVALID),
    "an image that came home": Target(image_store.check, pictures, (decoder.BadImage,)),
    "an image on the device": Target(edge_image.load, pictures, (decoder.BadImage,)),
}


def drawn(inputs: st.SearchStrategy[Any], limits: settings) -> list[Any]:
    """The inputs themselves, to see what they are."""
    found: list[Any] = []

    @limits
    @given(inputs)
    def draw(each: Any) -> None:
        found.append(each)

    draw()
    return found


def throw(name: str, limits: settings) -> None:
    """Throw inputs at one of the targets."""
    target = TARGETS[name]

    @limits
    @given(target.inputs)
    def survives(data: Any) -> None:
        with suppress(*target.refusals):
            target.read(data)

    survives()
