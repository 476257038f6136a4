"""Requests against botocore's description: types, constraints, and AWS's words."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from custom_labels import faults, shapes

ARN = "arn:aws:rekognition:us-east-1:123456789012:project/flowers/1795381421613"


def read(operation: str, **request: Any) -> dict[str, Any]:
    return shapes.read(operation, json.dumps(request).encode())


def test_a_request_is_read_with_its_blobs_decoded() -> None:
    changes = {"GroundTruth": "e30="}
    arn = ARN.replace("flowers/", "flowers/dataset/train/")

    assert read("UpdateDatasetEntries", DatasetArn=arn, Changes=changes)["Changes"] == {"GroundTruth": b"{}"}


def test_null_and_unknown_members_are_as_if_they_were_not_there() -> None:
    assert read("DescribeProjects", MaxResults=None, Later=1) == {}
    assert shapes.read("DescribeProjects", b"") == {}


@pytest.mark.parametrize(
    ("operation", "request_", "message"),
    [
        (
            "CreateProject",
            {},
            "1 validation error detected: Value null at 'projectName' failed to satisfy constraint: Member must not be null",
        ),
        (
            "CreateProject",
            {"ProjectName": "a b"},
            r"Value 'a b' at 'projectName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.\-]+",
        ),
        ("CreateProject", {"ProjectName": "a\n"}, "regular expression"),
        (
            "CreateProject",
            {"ProjectName": ""},
            "2 validation errors detected: Value '' at 'projectName' failed to satisfy constraint: Member must have length greater than or equal to 1; ",
        ),
        ("CreateProject", {"ProjectName": "x" * 256}, "Member must have length less than or equal to 255"),
        (
            "CreateProject",
            {"ProjectName": "x", "Feature": "X"},
            "Value 'X' at 'feature' failed to satisfy constraint: Member must satisfy enum value set: [CONTENT_MODERATION, CUSTOM_LABELS]",
        ),
        ("CreateProject", {"ProjectName": "x", "Tags": {"aws:a": "b"}}, "at 'tags.key'"),
        ("CreateProject", {"ProjectName": "x", "Tags": {"a": "b*"}}, "Value 'b*' at 'tags.a.member'"),
        (
            "DescribeProjects",
            {"MaxResults": 0},
            "Value '0' at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 1",
        ),
        ("DescribeProjects", {"MaxResults": 101}, "Member must have value less than or equal to 100"),
        ("DescribeProjects", {"ProjectNames": ["a", "*"]}, "Value '*' at 'projectNames.2.member'"),
        ("DescribeProjects", {"NextToken": "a\0"}, "U+0000"),
        ("DescribeDataset", {"DatasetArn": ARN}, "at 'datasetArn'"),
    ],
)
def test_a_broken_constraint_is_worded_as_on_aws(operation: str, request_: dict[str, Any], message: str) -> None:
    with pytest.raises(faults.InvalidParameterException) as caught:
        read(operation, **request_)
    assert message in str(caught.value)


def test_tags_may_have_letters_and_spaces_of_any_script() -> None:
    tags = {"équipe": "Grün 東京\u00a0٣"}

    assert read("CreateProject", ProjectName="x", Tags=tags)["Tags"] == tags


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"\xff",
        b'{"MaxResults": NaN}',
        b'{"MaxResults": "1"}',
        b'{"MaxResults": true}',
        b'{"MaxResults": 1.5}',
        b'{"MaxResults": 99999999999}',
        b'{"ProjectNames": "a"}',
        b'{"ProjectNames": [{}]}',
        b'{"NextToken": "\\ud800"}',
        b"[" * 100_000,
        b'{"MaxResults": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_not_json_of_the_right_types_cannot_be_read(body: bytes) -> None:
    with pytest.raises(faults.SerializationException):
        shapes.read("DescribeProjects", body)


@pytest.mark.parametrize("bytes_", ["not base64", "ä", "e30==", "e30=\n", 1])
def test_a_blob_must_be_base64(bytes_: Any) -> None:
    with pytest.raises(faults.SerializationException):
        read("DetectCustomLabels", ProjectVersionArn=ARN, Image={"Bytes": bytes_})


def test_an_answer_has_times_in_seconds_and_nothing_that_is_none() -> None:
    at = datetime(2026, 11, 22, 8, 0, 0, 123999, tzinfo=UTC)

    written = shapes.write({"CreationTimestamp": at, "NextToken": None, "Datasets": [{"Status": None}]})

    assert json.loads(written) == {"CreationTimestamp": 1795334400.123, "Datasets": [{}]}
