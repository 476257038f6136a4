"""What strangers and our own services send when all is well, as bytes: to be damaged (tests/damage.py) and thrown."""

import io
import json
import random
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import quote_plus
from uuid import UUID

from hypothesis import strategies as st
from PIL import Image

from ingest import object_changes
from strop_contracts import events
from strop_wire import messages, reports, topics
from tests.unit.strop_wire import strategies

FORMATS = ("JPEG", "PNG", "WEBP")
Bytes = st.SearchStrategy[bytes]

MESSAGES: dict[type[messages.Message], Bytes] = {
    kind: made.map(messages.Message.dumps)
    for kind, made in (
        (messages.Capture, strategies.captures),
        (messages.Grant, strategies.grants),
        (messages.Desired, strategies.desired),
        (messages.Fetch, strategies.fetches),
        (reports.State, strategies.states),
        (messages.Answer, strategies.predictions),
    )
}
"""The messages of the wire by their kind."""

TOPICS = {kind: f"strop/bottles/line-1/{kind.__name__.lower()}" for kind in MESSAGES if kind is not messages.Answer}
UP = {kind: topic for kind, topic in TOPICS.items() if topic.endswith(topics.UP)}
"""Where each kind is said; those that devices say to ingest."""

keys = st.lists(
    st.sampled_from(["a", "raw_field_data", "labeled_field_data", "datasets", "train", "", "..", "01a2.jpg"])
    | st.text(max_size=9),
    max_size=7,
).map("/".join)
"""Of the bucket, of places and of nothing."""

_VALUES: dict[Any, st.SearchStrategy[Any]] = {
    str: strategies.texts(20),
    str | None: st.none() | strategies.texts(20),
    int: strategies.whole,
    int | None: st.none() | strategies.whole,
    bool: st.booleans(),
    float: strategies.shares,
    bytes: strategies.texts(20).map(str.encode),
    UUID: st.uuids(),
    UUID | None: st.none() | st.uuids(),
    datetime: strategies.times,
    tuple[object_changes.Object, ...]: st.lists(st.tuples(keys, strategies.texts(9)), max_size=3).map(tuple),
}


def _event(kind: type[events.Event]) -> Bytes:
    about = {name: _VALUES[field.annotation] for name, field in kind.model_fields.items()}
    return st.builds(kind, **about).map(lambda event: event.dumps().encode())


EVENTS = {kind: _event(kind) for kind in events.Event.registry.values() if kind.__module__ != "__main__"}


def _told(named: list[str]) -> bytes:
    """What S3 says of objects that appeared, with all that it says."""
    about = {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "awsRegion": "us-east-1"}
    found = [
        {"key": quote_plus(key, safe="/"), "size": 9, "eTag": "d4", "sequencer": f"{n}"} for n, key in enumerate(named)
    ]
    return json.dumps(
        {"Records": [{**about, "s3": {"bucket": {"name": "strop"}, "object": each}} for each in found]}
    ).encode()


_uploads = st.builds("bottles/raw_field_data/line-1/{}.jpg".format, st.uuids())
notifications = st.lists(_uploads | keys, min_size=1, max_size=3).map(_told)


@cache
def _picture(image_format: str, mode: str, seed: int) -> bytes:
    dice, body = random.Random(seed), io.BytesIO()
    size = dice.randrange(1, 60), dice.randrange(1, 60)
    noise = Image.frombytes("RGB", (4, 4), dice.randbytes(48)).resize(size).convert(mode)
    noise.save(body, image_format, **({"progressive": bool(seed % 2)} if image_format == "JPEG" else {}))
    return body.getvalue()


pictures = st.builds(_picture, st.sampled_from(FORMATS), st.sampled_from(["RGB", "L"]), st.integers(0, 20))
