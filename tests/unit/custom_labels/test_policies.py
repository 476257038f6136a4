"""What a project policy may say."""

import json
from typing import Any

import pytest

from custom_labels.api import faults
from custom_labels.projects import policies

STATEMENT = {
    "Effect": "Allow",
    "Principal": {"AWS": "111122223333"},
    "Action": "rekognition:CopyProjectVersion",
    "Resource": "*",
}


def document(statement: Any = STATEMENT, **changes: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statement, **changes})


@pytest.mark.parametrize(
    "statement", [STATEMENT, [STATEMENT, STATEMENT | {"Effect": "Deny"}], STATEMENT | {"Action": ["rekognition:*"]}]
)
def test_a_policy_about_copying_is_accepted(statement: Any) -> None:
    policies.check_document(document(statement))


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "1",
        "[" * 1999,
        "{}",
        document([]),
        document([1]),
        document(Version="2020-01-01"),
        document(Version=[]),
        document(STATEMENT | {"Effect": []}),
        document(STATEMENT | {"Principal": ""}),
        document(STATEMENT | {"Resource": None}),
        document(STATEMENT | {"Action": "s3:GetObject"}),
        document(STATEMENT | {"Action": []}),
        document(STATEMENT | {"Action": [[]]}),
    ],
)
def test_anything_else_is_malformed(text: str) -> None:
    with pytest.raises(faults.MalformedPolicyDocumentException):
        policies.check_document(text)
