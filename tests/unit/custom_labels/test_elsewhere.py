"""Errors in the form of each protocol, read by botocore's own parsers."""

from typing import Any

import botocore.session
import pytest
from botocore.parsers import create_parser

from custom_labels.api import elsewhere

FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
TARGET = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "SageMaker.ListModels"}
ERROR = elsewhere.Error(400, "UnsupportedServiceException", "iam & <others> are not here", "id-1")


@pytest.mark.parametrize(
    ("protocol", "service", "headers"),
    [
        ("query", "iam", FORM),
        ("ec2", "ec2", FORM),
        ("json", "sagemaker", TARGET),
        ("json", "dynamodb", {**TARGET, "content-type": "application/x-amz-json-1.0"}),
        ("rest-json", "lambda", {}),
        ("rest-xml", "s3", {}),
        ("rest-xml", "route53", {"content-type": "text/xml"}),
        ("smithy-rpc-v2-cbor", "monitoring", {"smithy-protocol": "rpc-v2-cbor", "content-type": "application/cbor"}),
    ],
)
def test_every_protocol_has_its_own_form(protocol: str, service: str, headers: dict[str, str]) -> None:
    answer = elsewhere.write(ERROR, service, headers)

    headers = dict(answer.headers)
    response = {"status_code": answer.status_code, "headers": headers, "body": bytes(answer.body)}
    shape: Any = botocore.session.get_session().get_service_model("rekognition").operation_model("CreateProject")
    parsed = create_parser(protocol).parse(response, shape.output_shape)
    assert (parsed["Error"]["Code"], parsed["Error"]["Message"]) == (ERROR.code, ERROR.message)
    if "json-1" in headers["content-type"]:
        assert headers["content-type"].partition(";")[0].endswith(("json-1.0", "json-1.1"))


@pytest.mark.parametrize(
    ("headers", "body", "name"),
    [
        (TARGET, b"", "ListModels"),
        (FORM, b"Version=2010-05-08&Action=ListRoles", "ListRoles"),
        (FORM, b"\xff", "unknown"),
        ({}, b"", "GET /2015-03-31/functions/"),
    ],
)
def test_the_operation_is_named_whichever_way_it_comes(headers: dict[str, str], body: bytes, name: str) -> None:
    assert elsewhere.operation("GET", "/2015-03-31/functions/", headers, body) == name


def test_the_error_names_service_and_operation_and_the_way_to_aws() -> None:
    said = str(elsewhere.missing("sagemaker", "ListModels"))

    assert said.startswith("sagemaker is not available: Strop refused ListModels, and nothing was sent to AWS.")
    assert "use a shell without Strop's AWS_ variables" in said
