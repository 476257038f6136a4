"""Requests against botocore's description: types, constraints, and AWS's words."""

import base64
import json
import sys
import unicodedata
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from botocore.validate import ParamValidator

from custom_labels.api import faults, operations, shapes

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


# --- what AWS takes, we take: requests at the edges of botocore's description ---

Edge = Literal["required", "least", "most"]
"""Only the members that a request must have; all members, each as small as it may be; all, as large as they may be."""

_ARN = "arn:aws-us-gov:rekognition:us-gov-west-1:123456789012:project/"
_NAME, _LONG = "x", "aZ09_.-" * 36 + "abc"  # 1 and 255 characters
TEXTS = {
    "ProjectArn": (f"{_ARN}{_NAME}/1", f"{_ARN}{_LONG}/{'9' * 18}"),
    "DatasetArn": (f"{_ARN}{_NAME}/dataset/test/1", f"{_ARN}{_LONG}/dataset/train/{'9' * 18}"),
    "ProjectVersionArn": (f"{_ARN}{_NAME}/version/x/1", f"{_ARN}{_LONG}/version/{_LONG}/{'9' * 18}"),
    "ProjectName": (_NAME, _LONG),
    "VersionName": (_NAME, _LONG),
    "ProjectPolicyName": (_NAME, _LONG[:128]),
    "ProjectPolicyDocument": (" ", "\t\r\n ~\u00ff{}" * 250),
    "ProjectPolicyRevisionId": ("0", "0123456789abcdefABCDEF09876543" * 2 + "abcd"),
    "KmsKeyId": ("a", "A" + "a:_/+=,@.-0" * 186),
    "DatasetLabel": ("\u00a0", "\u6771 '\"/\\" * 42 + "abc"),
    "QueryString": ("x", " " * 2047 + "x"),
    "S3Bucket": ("._-", "aZ0.-" * 51),
    "VersionDescription": (" ", "a-_. ()':,;?Z09" * 17),
    "TagKey": (" ", "\u6771\u0663 \u00a0_.:/=+-@" * 10 + "aws:12"),
    "TagValue": ("", "\u6771\u0663 \u00a0_.:/=+-@" * 21 + "aws:"),
}
"""By the name of a shape with a pattern: the shortest and the longest value."""


def at(shape: Any, edge: Edge) -> Any:
    """A value of a shape, as the client sees it."""
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max")
    large = edge == "most"
    match shape.type_name:
        case "structure":
            names = shape.required_members if edge == "required" else shape.members
            return {name: at(shape.members[name], edge) for name in names}
        case "list":
            return [at(shape.member, edge)] * ((most or 3) if large else least)
        case "map":
            key = at(shape.key, edge)
            keys = [f"{number:03}{key}"[: len(key)] for number in range(most)] if large else []
            return {key: at(shape.value, edge) for key in keys}
        case "string":
            return _text(shape, large=large)
        case kind:
            return {"boolean": bool, "blob": bytes}.get(kind, int)((most or 2**31 - 1) if large else least)


def _text(shape: Any, *, large: bool) -> str:
    if shape.enum:
        return str(shape.enum[-large])
    if shape.name in TEXTS:
        return TEXTS[shape.name][large]
    assert "pattern" not in shape.metadata, f"{shape.name} needs a line in TEXTS"
    length: int = shape.metadata.get("max", 3000) if large else shape.metadata.get("min", 0)
    return "\u6771" * length


def _encoded(blob: object) -> str:
    assert isinstance(blob, bytes)
    return base64.b64encode(blob).decode()


@pytest.mark.parametrize("edge", ["required", "least", "most"])
@pytest.mark.parametrize("operation", [*operations.TABLE, "DetectCustomLabels"])
def test_no_request_that_aws_takes_is_refused(operation: str, edge: Edge) -> None:
    shape = shapes.inputs(operation)
    request = at(shape, edge)
    assert not ParamValidator().validate(request, shape).has_errors()

    assert shapes.read(operation, json.dumps(request, default=_encoded).encode()) == request


def test_every_character_that_a_tag_may_have_on_aws_is_taken() -> None:
    allowed = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code))[0] in "LNZ"]
    pattern = shapes._compiled(shapes.inputs("TagResource").members["Tags"].value.metadata["pattern"])

    assert [f"U+{ord(each):04X}" for each in allowed if not pattern.fullmatch(each)] == []
