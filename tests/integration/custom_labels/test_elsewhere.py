"""Clients of other AWS services, led here by AWS_ENDPOINT_URL: botocore reads each refusal as an error of the service."""

import asyncio
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from custom_labels.settings import Settings
from tests.integration.custom_labels.conftest import Hosted, Rekognition


def client(hosted: Hosted, service: str, **options: Any) -> Any:
    config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
    return boto3.Session().client(service, endpoint_url=hosted.url, config=config, region_name="us-east-1", **options)


async def fails(service: Any, operation: str, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        await asyncio.to_thread(getattr(service, operation), **request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


async def test_sts_returns_the_identity_of_the_key(hosted: Hosted, rekognition: Rekognition, project: str) -> None:
    identity = await asyncio.to_thread(client(hosted, "sts").get_caller_identity)

    account = Settings().account
    assert project.split(":")[4] == account
    assert (identity["Account"], identity["UserId"]) == (account, hosted.key_id)
    assert identity["Arn"] == f"arn:aws:iam::{account}:user/{hosted.key_id}"


async def test_sts_refuses_as_sts_does(hosted: Hosted) -> None:
    wrong = client(hosted, "sts", aws_access_key_id=hosted.key_id, aws_secret_access_key="wrong")
    unknown = client(hosted, "sts", aws_access_key_id="AKIDNOBODY", aws_secret_access_key="wrong")
    token = client(hosted, "sts", aws_access_key_id="A", aws_secret_access_key="b", aws_session_token="c")
    role = {"RoleArn": "arn:aws:iam::123456789012:role/any", "RoleSessionName": "any"}

    assert (await fails(wrong, "get_caller_identity"))[0] == "SignatureDoesNotMatch"
    assert (await fails(unknown, "get_caller_identity"))[0] == "InvalidClientTokenId"
    code, message = await fails(token, "get_caller_identity")
    assert code == "InvalidClientTokenId"
    assert "Unset AWS_SESSION_TOKEN" in message
    code, message = await fails(client(hosted, "sts"), "assume_role", **role)
    assert (code, message.partition(":")[0]) == ("UnsupportedServiceException", "sts")
    code, message = await fails(client(hosted, "sts"), "assume_role_with_web_identity", **role, WebIdentityToken="t")
    assert "sts:AssumeRoleWithWebIdentity is not available" in message


@pytest.mark.parametrize(
    ("service", "operation", "request_", "named"),
    [
        ("sagemaker", "list_models", {}, "sagemaker is not available: Strop refused ListModels"),
        ("ssm", "get_parameter", {"Name": "a"}, "ssm is not available: Strop refused GetParameter"),
        ("iam", "list_roles", {}, "iam is not available: Strop refused ListRoles"),
        ("ec2", "describe_instances", {}, "ec2 is not available: Strop refused DescribeInstances"),
        ("dynamodb", "list_tables", {}, "dynamodb is not available: Strop refused ListTables"),
        ("lambda", "list_functions", {}, "lambda is not available: Strop refused GET /2015-03-31/functions"),
        ("lambda", "invoke", {"FunctionName": "f", "Payload": b"{}"}, "lambda is not available: Strop refused POST /2015"),
        ("s3", "list_buckets", {}, "s3 is not available: Strop refused GET /"),
        ("s3", "delete_object", {"Bucket": "b", "Key": "k"}, "s3 is not available: Strop refused DELETE /b/k"),
        ("route53", "list_hosted_zones", {}, "route53 is not available: Strop refused GET /2013-04-01/hostedzone"),
        ("cloudwatch", "list_metrics", {}, "monitoring is not available"),
    ],
)  # fmt: skip
async def test_a_service_that_is_not_here_is_refused_by_name(
    hosted: Hosted, service: str, operation: str, request_: dict[str, Any], named: str
) -> None:
    code, message = await fails(client(hosted, service), operation, **request_)

    assert (code, message[: len(named)]) == ("UnsupportedServiceException", named)


async def test_what_is_not_signed_goes_where_it_did(hosted: Hosted) -> None:
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{hosted.url}/2015-03-31/functions")).status_code == 404
        assert (await client.get(f"{hosted.url}/healthz")).json() == {"status": "ok"}
