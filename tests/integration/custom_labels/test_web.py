"""The protocol itself: who may ask, what cannot be read, and how errors look."""

import httpx
import pytest
import structlog

from custom_labels.api import web
from strop import app
from tests import roles
from tests.integration.custom_labels.conftest import Hosted, Rekognition

TARGET = {"X-Amz-Target": "RekognitionService.DescribeProjects", "Content-Type": "application/x-amz-json-1.1"}


async def test_an_error_has_the_form_of_the_protocol(hosted: Hosted) -> None:
    async with httpx.AsyncClient() as client:
        unsigned = await client.post(hosted.url, headers=TARGET, content=b"{}")
        large = await client.post(hosted.url, headers=TARGET, content=b" " * (web.LARGEST_BODY + 1))
        page = await client.get(hosted.url)

    assert unsigned.status_code == 400
    assert unsigned.headers["content-type"] == "application/x-amz-json-1.1"
    assert unsigned.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"
    body = unsigned.json()
    assert body["__type"] == body["Code"] == "MissingAuthenticationTokenException"
    assert (body["Message"], body["Logref"]) == ("Missing Authentication Token", unsigned.headers["x-amzn-requestid"])
    assert (large.status_code, large.json()["__type"]) == (413, "RequestEntityTooLargeException")
    assert page.status_code == 405


async def test_a_known_key_may_ask_for_what_is_here_in_any_region(hosted: Hosted, rekognition: Rekognition) -> None:
    wrong = hosted.client(aws_secret_access_key="wrong", aws_access_key_id=hosted.key_id)
    unknown = hosted.client(aws_secret_access_key="wrong", aws_access_key_id="AKIDNOBODY")
    far = hosted.client(region_name="eu-central-1")

    assert (await far.describe_projects())["ProjectDescriptions"] == []
    assert (await wrong.fails("describe_projects")).startswith(
        "InvalidSignatureException: The request signature we calc"
    )
    assert (await unknown.fails("describe_projects")).startswith("UnrecognizedClientException: The security token")
    failed = await rekognition.fails("list_collections")
    assert failed.startswith("UnknownOperationException: ")
    assert "ListCollections" in failed


async def test_what_breaks_here_is_a_500_that_clients_may_repeat(
    hosted: Hosted, rekognition: Rekognition, runtime: app.Runtime
) -> None:
    async with roles.arranging(runtime).begin() as session:
        await (await session.connection()).exec_driver_sql("alter table hosted_datasets rename to elsewhere")

    with (
        structlog.testing.capture_logs() as logs,
        pytest.raises(rekognition.client.exceptions.InternalServerError) as caught,
    ):
        await rekognition.describe_projects()

    assert [entry["operation"] for entry in logs if entry["event"] == "operation_failed"] == ["DescribeProjects"]
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert "hosted_datasets" not in str(caught.value)


PREFLIGHT = {
    "Origin": "http://localhost:5173",
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,x-amz-date,x-amz-target",
}


async def test_web_pages_may_not_call_by_default(hosted: Hosted) -> None:
    async with httpx.AsyncClient() as client:
        asked = await client.options(hosted.url, headers=PREFLIGHT)
        answer = await client.post(hosted.url, headers={**TARGET, "Origin": PREFLIGHT["Origin"]}, content=b"{}")

    assert (asked.status_code, asked.json()["__type"]) == (400, "AccessDeniedException")
    assert "STROP_CUSTOM_LABELS_ORIGINS" in asked.json()["Message"]
    assert not [name for name in {**asked.headers, **answer.headers} if name.startswith("access-control")]


@pytest.fixture
def local_origins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROP_CUSTOM_LABELS_ORIGINS", "local")


@pytest.mark.usefixtures("local_origins")  # before the service starts
async def test_pages_of_allowed_origins_may_call_and_read_errors_too(hosted: Hosted) -> None:
    async with httpx.AsyncClient() as client:
        asked = await client.options(hosted.url, headers=PREFLIGHT)
        answer = await client.post(hosted.url, headers={**TARGET, "Origin": PREFLIGHT["Origin"]}, content=b"{}")
        foreign = await client.options(hosted.url, headers={**PREFLIGHT, "Origin": "https://example.org"})

    assert (asked.status_code, asked.content) == (200, b"")
    assert asked.headers["access-control-allow-origin"] == PREFLIGHT["Origin"]
    assert asked.headers["access-control-allow-headers"] == PREFLIGHT["Access-Control-Request-Headers"]
    assert asked.headers["access-control-allow-methods"] == "POST"
    assert asked.headers["access-control-max-age"] == "172800"
    assert answer.status_code == 400
    assert answer.headers["access-control-allow-origin"] == PREFLIGHT["Origin"]
    assert "x-amzn-RequestId" in answer.headers["access-control-expose-headers"]
    assert foreign.status_code == 400
    assert "access-control-allow-origin" not in foreign.headers
