"""Reading what S3 tells."""

import json
from datetime import UTC, datetime

import pytest

from ingest import objects
from strop_contracts import errors, events
from strop_wire import ids


def notification(*keys: str, name: str = "ObjectCreated:Put") -> str:
    records = [{"eventName": name, "s3": {"object": {"key": key, "size": 1, "sequencer": "0A"}}} for key in keys]
    return json.dumps({"Records": records})


def test_the_keys_of_a_notification_are_unquoted() -> None:
    found = objects.loads(notification("bottles/labeled_field_data/Coffee+mug/%C3%A4.jpg"))

    assert isinstance(found, objects.ObjectsChanged)
    assert found.project == "bottles"
    assert found.objects == (("bottles/labeled_field_data/Coffee mug/ä.jpg", "0A"),)


def test_a_notification_may_hold_several_objects() -> None:
    found = objects.loads(notification("a/datasets/b/train/c/1", "a/images/2", "a/datasets/b/train/c/3"))

    assert isinstance(found, objects.ObjectsChanged)
    assert [key for key, _ in found.objects] == ["a/datasets/b/train/c/1", "a/datasets/b/train/c/3"]


@pytest.mark.parametrize(
    "name", ["ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated", "LifecycleExpiration:Delete"]
)
def test_the_removal_of_a_base_image_is_read(name: str) -> None:
    found = objects.loads(notification("a/datasets/b/train/c/1", "a/images/2", name=name))

    assert isinstance(found, objects.ObjectsChanged)
    assert found.objects == (("a/datasets/b/train/c/1", "0A"),)


def test_the_removal_of_a_hidden_file_of_a_base_data_set_is_read() -> None:
    removed = notification("a/datasets/b/train/c/Thumbs.db", "a/raw_field_data/d/._1", name="ObjectRemoved:Delete")

    found = objects.loads(removed)

    assert isinstance(found, objects.ObjectsChanged)
    assert found.objects == (("a/datasets/b/train/c/Thumbs.db", "0A"),)


def test_an_event_of_ours_is_read_as_such() -> None:
    event = events.ImageRequested(project="bottles", capture_id=ids.uuid7(), device="line-1")

    assert objects.loads(event.dumps()) == event


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "strop"}),
        json.dumps({"Records": []}),
        notification("a/labeled_field_data/c/1.jpg", "a/raw_field_data/d/1.jpg", name="ObjectRemoved:Delete"),
        notification("a/datasets/b/train/.git/1", "a/labeled_field_data/c/._1.jpg", "a/raw_field_data/d/Thumbs.db"),
        notification("a/images/1", "a/models/v1/head.onnx"),
    ],
)
def test_nothing_to_do_is_no_event(body: str) -> None:
    assert objects.loads(body) is None


@pytest.mark.parametrize(
    "body", ["", "hello", "[]", "3", "{}", '{"Records": 3}', '{"Records": [{}]}', '{"name": "Nonsense"}', "[" * 100_000]
)
def test_anything_else_is_invalid(body: str) -> None:
    with pytest.raises(errors.InvalidMessage):
        objects.loads(body)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2026-03-01T12:00:00.000Z", True),
        ("9999-01-01T00:00:00.000Z", False),
        ("2026-03-01T12:00:00", False),
        ("?", False),
    ],
)
def test_the_time_is_that_of_s3_unless_that_cannot_be(said: str, *, expected: bool) -> None:
    record = {"eventName": "ObjectCreated:Put", "eventTime": said, "s3": {"object": {"key": "a/datasets/b/train/c/1"}}}

    found = objects.loads(json.dumps({"Records": [record]}))

    assert found
    assert (found.at == datetime(2026, 3, 1, 12, tzinfo=UTC)) is expected
    assert found.at <= datetime.now(UTC)
