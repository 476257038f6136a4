"""Who signed it, when, for what? botocore signs as clients do."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from custom_labels.api import faults, signature

KEYS = {"AKIDEXAMPLE": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "AKIDOTHER": "other"}
TARGET = "RekognitionService.DescribeProjects"
BODY = b'{"MaxResults": 1}'

Headers = dict[str, str]


def sign(
    key: str = "AKIDEXAMPLE",
    secret: str | None = None,
    body: bytes = BODY,
    region: str = "eu-west-1",
    service: str = "rekognition",
    token: str | None = None,
    **headers: str,
) -> Headers:
    """The headers of a signed request, as a server sees them."""
    said = {"Host": "localhost:8080", "X-Amz-Target": TARGET, **{n.replace("_", "-"): v for n, v in headers.items()}}
    request = AWSRequest("POST", url="http://localhost:8080/", data=body, headers=said)
    SigV4Auth(Credentials(key, secret or KEYS[key], token), service, region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


def verify(headers: Headers, body: bytes = BODY, url: str = "/", now: datetime | None = None) -> str:
    return signature.verify("POST", url, headers, body, KEYS, now or datetime.now(UTC))


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "local"])
def test_a_signature_with_the_secret_is_valid_in_any_region(key: str, region: str) -> None:
    assert verify(sign(key, region=region)) == key


def test_headers_that_botocore_never_signs_may_be_signed() -> None:
    headers = sign() | {"user-agent": "another sdk"}
    signed = headers["authorization"].replace("host;", "host;user-agent;")
    request = AWSRequest("POST", url="http://localhost:8080/", data=BODY)
    for name in ("host", "user-agent", "x-amz-date", "x-amz-target"):
        request.headers[name] = headers[name]
    request.context["timestamp"] = headers["x-amz-date"]
    signer = signature._Presented(Credentials("AKIDEXAMPLE", KEYS["AKIDEXAMPLE"]), "rekognition", "eu-west-1")
    made = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    headers["authorization"] = signed.rpartition("=")[0] + "=" + made

    assert verify(headers) == "AKIDEXAMPLE"
    with pytest.raises(faults.InvalidSignatureException):
        verify(headers | {"user-agent": "somebody else"})


Change = Callable[[Headers], object]
CHANGES: dict[str, Change] = {
    "another operation": lambda headers: headers.update({"x-amz-target": "RekognitionService.DeleteProject"}),
    "another host": lambda headers: headers.update({"host": "elsewhere"}),
    "a signature of nothing": lambda headers: headers.update(
        {"authorization": headers["authorization"].rpartition("=")[0] + "=" + "0" * 64}
    ),
    "letters outside ASCII": lambda headers: headers.update(
        {"authorization": headers["authorization"].rpartition("=")[0] + "=ä"}
    ),
    "the operation not signed": lambda headers: headers.update(
        {"authorization": headers["authorization"].replace(";x-amz-target", "")}
    ),
    "a signed header missing": lambda headers: headers.update(
        {"authorization": headers["authorization"].replace("host;", "host;x-amz-security;")}
    ),
    "a hash of other content": lambda headers: headers.update({"x-amz-content-sha256": "0" * 64}),
    "content without a hash": lambda headers: headers.update({"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_was_changed_after_signing_is_refused(change: Change) -> None:
    headers = sign()
    change(headers)

    with pytest.raises(faults.InvalidSignatureException, match="The request signature we calculated does not match"):
        verify(headers)


def test_another_body_or_address_is_refused() -> None:
    for changed in ({"body": b"{}"}, {"url": "/?a=b"}):
        with pytest.raises(faults.InvalidSignatureException, match="does not match"):
            verify(sign(), **changed)


def test_a_wrong_secret_is_refused() -> None:
    with pytest.raises(faults.InvalidSignatureException, match="Check your AWS Secret Access Key"):
        verify(sign(secret="guessed"))


def test_an_unknown_key_and_a_wrong_secret_have_different_errors() -> None:
    with pytest.raises(faults.UnrecognizedClientException, match="The security token included in the request is inval"):
        verify(sign("AKIDNOBODY", "secret"))


def test_a_session_token_is_refused_with_its_cause_and_its_cure() -> None:
    for headers in (sign(token="token"), sign("AKIDNOBODY", "secret", token="token")):
        with pytest.raises(faults.UnrecognizedClientException, match=r"no session tokens.*Unset AWS_SESSION_TOKEN"):
            verify(headers)


def test_another_service_may_be_expected() -> None:
    headers = sign(service="sts")

    assert signature.verify("POST", "/", headers, BODY, KEYS, datetime.now(UTC), "sts") == "AKIDEXAMPLE"
    with pytest.raises(faults.InvalidSignatureException, match="scoped to correct service: 'rekognition'"):
        verify(headers)


@pytest.mark.parametrize(
    ("header", "service"),
    [
        ("AWS4-HMAC-SHA256 Credential=AKID/20261122/us-east-1/sagemaker/aws4_request, SignedHeaders=host", "sagemaker"),
        ("AWS4-ECDSA-P256-SHA256 Credential=a/b/20261122/s3/aws4_request,SignedHeaders=host", "s3"),
        ("AWS4-HMAC-SHA256 Credential=AKID/20261122/us-east-1/<b>/aws4_request", None),
        ("Bearer abc", None),
        ("", None),
    ],
)
def test_the_scope_names_the_service(header: str, service: str | None) -> None:
    assert signature.service_of(header) == service


@pytest.mark.parametrize("minutes", [-4.9, 4.9])
def test_clocks_may_differ_by_five_minutes(minutes: float) -> None:
    assert verify(sign(), now=datetime.now(UTC) + timedelta(minutes=minutes))


def test_an_old_signature_has_expired() -> None:
    with pytest.raises(
        faults.InvalidSignatureException, match=r"Signature expired: .*Z is now earlier than .* - 5 min"
    ):
        verify(sign(), now=datetime.now(UTC) + timedelta(minutes=5.1))


def test_a_signature_of_the_future_is_not_valid_yet() -> None:
    with pytest.raises(faults.InvalidSignatureException, match="Signature not yet current"):
        verify(sign(), now=datetime.now(UTC) - timedelta(minutes=5.1))


def test_a_signature_for_another_service_is_refused() -> None:
    with pytest.raises(faults.InvalidSignatureException, match="scoped to correct service: 'rekognition'"):
        verify(sign(service="s3"))


def test_the_scope_must_have_the_date_of_the_request() -> None:
    headers = sign()
    headers["authorization"] = headers["authorization"].replace(headers["x-amz-date"][:8], "20200101")

    with pytest.raises(faults.InvalidSignatureException, match="Date in Credential scope does not match"):
        verify(headers)


def test_an_unsigned_request_has_an_error_of_its_own() -> None:
    with pytest.raises(faults.MissingAuthenticationTokenException, match="Missing Authentication Token"):
        verify({"host": "localhost"})


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("Bearer abc", "requires 'AWS4-HMAC-SHA256'"),
        ("AWS4-HMAC-SHA256", "requires 'Credential' parameter. Authorization header requires 'Signature' parameter."),
        ("AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=x", "5 slash-delimited elements"),
    ],
)
def test_a_malformed_header_is_an_error_that_names_what_is_missing(header: str, wanted: str) -> None:
    with pytest.raises(faults.IncompleteSignatureException, match=wanted):
        verify(sign() | {"authorization": header})


@pytest.mark.parametrize("stamp", ["", "yesterday", "20261399T000000Z", "2026112\u0662T000000Z"])
def test_a_time_that_cannot_be_read_is_refused(stamp: str) -> None:
    with pytest.raises(faults.IncompleteSignatureException, match="X-Amz-Date"):
        verify(sign() | {"x-amz-date": stamp})


def test_the_host_must_be_signed() -> None:
    headers = sign()
    headers["authorization"] = headers["authorization"].replace("SignedHeaders=host;", "SignedHeaders=")

    with pytest.raises(faults.InvalidSignatureException, match="'Host' must be a 'SignedHeader'"):
        verify(headers)
