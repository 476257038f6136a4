"""Reading notifications of the bucket."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ingest import object_changes
from ingest.sources import s3
from strop_contracts import errors


def notification(*keys: str, name: str = "ObjectCreated:Put") -> dict[str, Any]:
    records = [{"eventName": name, "s3": {"object": {"key": key, "size": 1, "sequencer": "0A"}}} for key in keys]
    return {"Records": records}


def test_the_keys_of_a_notification_are_unquoted() -> None:
    found = s3.S3Source.read(notification("bottles/labeled_field_data/Coffee+mug/%C3%A4.jpg"))

    assert isinstance(found, object_changes.ObjectsChanged)
    assert found.project == "bottles"
    assert found.objects == (("bottles/labeled_field_data/Coffee mug/ä.jpg", "0A"),)


def test_a_notification_may_hold_several_objects() -> None:
    found = s3.S3Source.read(notification("a/datasets/b/train/c/1", "a/images/2", "a/datasets/b/train/c/3"))

    assert isinstance(found, object_changes.ObjectsChanged)
    assert [key for key, _ in found.objects] == ["a/datasets/b/train/c/1", "a/datasets/b/train/c/3"]


@pytest.mark.parametrize(
    "name", ["ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated", "LifecycleExpiration:Delete"]
)
def test_the_removal_of_a_base_image_is_read(name: str) -> None:
    found = s3.S3Source.read(notification("a/datasets/b/train/c/1", "a/images/2", name=name))

    assert isinstance(found, object_changes.ObjectsChanged)
    assert found.objects == (("a/datasets/b/train/c/1", "0A"),)


def test_the_removal_of_a_labelled_copy_is_read() -> None:
    found = s3.S3Source.read(notification("a/labeled_field_data/c/1.jpg", name="ObjectRemoved:Delete"))

    assert isinstance(found, object_changes.ObjectsChanged)
    assert found.objects == (("a/labeled_field_data/c/1.jpg", "0A"),)


def test_the_removal_of_a_hidden_file_of_a_base_data_set_is_read() -> None:
    removed = notification("a/datasets/b/train/c/Thumbs.db", "a/raw_field_data/d/._1", name="ObjectRemoved:Delete")

    found = s3.S3Source.read(removed)

    assert isinstance(found, object_changes.ObjectsChanged)
    assert found.objects == (("a/datasets/b/train/c/Thumbs.db", "0A"),)


@pytest.mark.parametrize(
    "body",
    [
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "strop"},
        {"Records": []},
        notification("a/raw_field_data/d/1.jpg", "a/labeled_field_data/c/.DS_Store", name="ObjectRemoved:Delete"),
        notification("a/datasets/b/train/.git/1", "a/labeled_field_data/c/._1.jpg", "a/raw_field_data/d/Thumbs.db"),
        notification("a/images/1", "a/models/v1/head.onnx"),
    ],
)
def test_nothing_to_do_is_no_event(body: dict[str, Any]) -> None:
    assert s3.S3Source.read(body) is None


@pytest.mark.parametrize("records", [3, [{}], [3], [{"eventName": "ObjectCreated:Put", "s3": 3}]])
def test_a_malformed_notification_is_invalid(records: object) -> None:
    with pytest.raises(errors.InvalidMessage, match="not a notification of S3"):
        s3.S3Source.read({"Records": records})


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

    found = s3.S3Source.read({"Records": [record]})

    assert found
    assert (found.at == datetime(2026, 3, 1, 12, tzinfo=UTC)) is expected
    assert found.at <= datetime.now(UTC)
