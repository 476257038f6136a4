"""Everything that reads what strangers send, and inputs to throw at it: `make test` throws a few, `make soak` many.

A reader gives a result or its own kind of refusal; any other exception is a bug.
"""

import io
import json
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ingest import images, objects, places, rules
from strop import errors, events
from strop_edge import image as edge_image
from strop_wire import fields, messages, topics
from tests import factories
from tests.unit.strop_wire import strategies

FORMATS = ("JPEG", "PNG", "WEBP")
WIRE = (messages.Capture, messages.Grant, messages.Desired, messages.Fetch, messages.State, messages.Answer)


@dataclass(frozen=True, slots=True)
class Target:
    read: Callable[[Any], Any]
    inputs: st.SearchStrategy[Any]
    refusals: tuple[type[Exception], ...]


# --- inputs ---

anything = st.binary(max_size=300) | strategies.json_values.map(lambda value: json.dumps(value).encode())
texts = st.text(max_size=200) | strategies.json_values.map(json.dumps)


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Something right with bytes replaced, removed, repeated, or another one's tail."""
    body = bytearray(draw(whole))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(body)))
        match draw(st.sampled_from(["replace", "cut", "insert", "end", "splice"])):
            case "replace":
                body[at : at + 4] = draw(st.binary(min_size=1, max_size=4))
            case "cut":
                del body[at : at + draw(st.integers(1, 64))]
            case "insert":
                body[at:at] = draw(st.binary(max_size=16))
            case "end":
                del body[at:]
            case _:
                body[at:] = draw(whole)[at:]
    return bytes(body)


@cache
def _picture(image_format: str, mode: str, seed: int) -> bytes:
    dice, body = random.Random(seed), io.BytesIO()
    size = dice.randrange(1, 60), dice.randrange(1, 60)
    noise = Image.frombytes("RGB", (4, 4), dice.randbytes(48)).resize(size).convert(mode)
    noise.save(body, image_format, **({"progressive": bool(seed % 2)} if image_format == "JPEG" else {}))
    return body.getvalue()


pictures = st.builds(_picture, st.sampled_from(FORMATS), st.sampled_from(["RGB", "L"]), st.integers(0, 20))


def _told(**changes: Any) -> dict[str, Any]:
    record = {"eventName": "ObjectCreated:Put", "s3": {"object": {"key": "a/raw_field_data/b/c.jpg", "sequencer": "1"}}}
    return {"Records": [{**record, **changes}]}


notifications = st.one_of(
    st.builds(_told, s3=strategies.json_values),
    st.builds(_told, eventName=strategies.json_values),
    st.fixed_dictionaries({"Records": strategies.json_values}),
    st.fixed_dictionaries({"topic": strategies.json_values, "payload": strategies.json_values}),
    st.fixed_dictionaries({"topic": st.text(), "base64": st.text()}),
    st.fixed_dictionaries({"name": st.sampled_from(["ImageStored", "x"]), "body": strategies.json_values}),
).map(json.dumps)

said = st.builds(lambda body: factories.announcement(body).dumps(), st.binary(max_size=4))
heard = st.tuples(
    st.sampled_from([f"strop/a/b/{kind}" for kind in topics.UP]) | st.text(max_size=40), anything | damaged(said)
)
keys = st.lists(
    st.sampled_from(["a", "raw_field_data", "labeled_field_data", "datasets", "train", "", "..", "01a2.jpg"])
    | st.text(max_size=9),
    max_size=7,
).map("/".join)

# --- readers ---


def _read_wire(payload: bytes) -> None:
    for kind in WIRE:
        try:
            message = kind.loads(payload)
        except fields.Malformed:
            continue
        assert kind.loads(message.dumps()) == message


def _read_heard(message: tuple[str, bytes]) -> None:
    """An announcement or a refusal, and what was refused can be written down and read back."""
    topic, payload = message
    found = rules.read(topic, payload)
    if isinstance(found, rules.Refusal) and len(topic) <= 256:
        again = rules.read_letter(json.loads(found.letter))
        assert (again.topic, again.payload) == (topic, payload)


TARGETS = {
    "the messages of the wire": Target(_read_wire, anything | damaged(said), ()),
    "what ingest hears": Target(_read_heard, heard, ()),
    "a topic": Target(topics.parse, st.text(max_size=60), ()),
    "a message of ingest's queue": Target(objects.loads, texts | notifications, (errors.InvalidMessage,)),
    "an event": Target(events.loads, texts | notifications, (errors.InvalidMessage,)),
    "a key of the bucket": Target(places.read, keys | st.text(max_size=60), (errors.InvalidMessage,)),
    "an image that came home": Target(images.check, damaged(pictures) | st.binary(), (images.BadImage,)),
    "an image on the device": Target(edge_image.load, damaged(pictures) | st.binary(), (edge_image.BadImage,)),
}


def throw(name: str, limits: settings) -> None:
    """Throw inputs at one of the targets."""
    target = TARGETS[name]

    @limits
    @given(target.inputs)
    def survives(data: Any) -> None:
        with suppress(*target.refusals):
            target.read(data)

    survives()
