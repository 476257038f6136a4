"""Sources by name, and whose a message of ingest's queue is."""

import json
from typing import cast

import pytest

from ingest import grant_publisher, object_changes, rules, sources
from ingest.sources import mqtt, recording, s3
from strop import app
from strop_contracts import errors, events
from strop_wire import ids

READERS = (mqtt.MqttSource, s3.S3Source, recording.RecordingSource)
NOTHING = cast("tuple[app.Runtime, grant_publisher.GrantPublisher]", (None, None))


def test_a_source_is_built_by_its_name() -> None:
    (built,) = sources.build(["recording"], *NOTHING)

    assert isinstance(built, recording.RecordingSource)


def test_an_unknown_source_is_refused_with_the_names() -> None:
    with pytest.raises(ValueError, match="expected some of mqtt, s3, recording, got kafka"):
        sources.build(["mqtt", "kafka"], *NOTHING)


def test_an_event_of_another_service_is_read_as_such() -> None:
    event = events.ImageRequested(project="bottles", capture_id=ids.uuid7(), device="line-1")

    assert sources.loads(event.dumps(), READERS) == event


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"topic": "strop/bottles/line-1/capture", "payload": "{}"}, rules.MessageRetried),
        (
            {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": "a/datasets/b/train/c/1"}}}]},
            object_changes.ObjectsChanged,
        ),
        ({"recording": "text"}, recording.Recorded),
    ],
)
def test_a_message_is_read_by_the_source_that_owns_it(body: object, kind: type[events.Event]) -> None:
    assert isinstance(sources.loads(json.dumps(body), READERS), kind)


@pytest.mark.parametrize("body", ["", "hello", "[]", "3", "{}", '{"name": "Nonsense"}', "[" * 100_000])
def test_a_message_without_an_owner_is_invalid(body: str) -> None:
    with pytest.raises(errors.InvalidMessage):
        sources.loads(body, READERS)


def test_a_message_of_an_inactive_source_is_invalid() -> None:
    with pytest.raises(errors.InvalidMessage, match="neither an event nor a message of a source"):
        sources.loads('{"recording": "text"}', (mqtt.MqttSource, s3.S3Source))
