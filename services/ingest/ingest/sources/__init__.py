"""Where captures, states and images come from: a module per source, chosen by name with `STROP_INGEST_SOURCES`.

A new source is a module with a class that follows `base.Source`, and a line in SOURCES.
"""

import json
from collections.abc import Callable, Iterable, Mapping

from ingest import grant_publisher
from ingest.sources import base, mqtt, recording, s3
from strop import app
from strop_contracts import errors, events

SOURCES: Mapping[str, Callable[[app.Runtime, grant_publisher.GrantPublisher], base.Source]] = {
    "mqtt": mqtt.MqttSource,
    "s3": s3.S3Source,
    "recording": lambda *_: recording.RecordingSource(),
}


def build(names: Iterable[str], runtime: app.Runtime, grants: grant_publisher.GrantPublisher) -> list[base.Source]:
    """Make the sources of these names; ValueError lists the names there are."""
    if unknown := set(names) - SOURCES.keys():
        raise ValueError(
            f"STROP_INGEST_SOURCES: expected some of {', '.join(SOURCES)}, got {', '.join(sorted(unknown))}"
        )
    return [SOURCES[name](runtime, grants) for name in names]


def loads(body: str, readers: Iterable[base.Reader]) -> events.Event | None:
    """Read a message of ingest's queue: an event of another service, or a message of a source.

    None if it needs no work; InvalidMessage if it is neither or malformed.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise errors.InvalidMessage(f"not JSON: {error}") from error
    if not isinstance(data, dict) or "name" in data:
        return events.loads(body)
    for reader in readers:
        if reader.owns(data):
            return reader.read(data)
    raise errors.InvalidMessage("neither an event nor a message of a source of ingest")
