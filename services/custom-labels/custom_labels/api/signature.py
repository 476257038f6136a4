"""Signature version 4: is the request signed with a key of ours, just now, for this service, and unchanged since?

botocore's own signer computes the signature again, over the headers that the request lists as signed. The region is
the client's choice. Messages are worded like AWS's: people search the web for them.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from custom_labels.api import faults

SERVICE = "rekognition"
ALGORITHM = "AWS4-HMAC-SHA256"
SKEW = timedelta(minutes=5)

_TEMPORARY = (
    "The security token included in the request is invalid: Strop issues no session tokens, and the client sent one "
    "(X-Amz-Security-Token). Unset AWS_SESSION_TOKEN and AWS_SECURITY_TOKEN, and take aws_session_token out of the "
    "profile in use."
)
_SCOPE = re.compile(r"Credential=[^,\s]*/([A-Za-z0-9.\-]{1,60})/aws4_request\b")
_STAMP = "%Y%m%dT%H%M%SZ"
_STAMPS = re.compile(r"[0-9]{8}T[0-9]{6}Z")


@dataclass(frozen=True, slots=True)
class Signed:
    """The contents of the Authorization header."""

    key_id: str
    date: str  # of the credential's scope, as in 20261122
    region: str
    service: str
    headers: tuple[str, ...]  # names of those that are signed
    signature: str
    scope_end: str


class _Presented(SigV4Auth):  # type: ignore[misc]  # botocore ships no types
    """Signs exactly the headers that the client signed, also those that botocore itself never would."""

    def headers_to_sign(self, request: Any) -> Any:
        return request.headers


def service_of(authorization: str) -> str | None:
    """Return the name of the service that a request is signed for, of any version 4 algorithm; None when it names none."""
    found = _SCOPE.search(authorization)
    return found[1] if found else None


def verify(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    secrets: Mapping[str, str],
    now: datetime,
    service: str = SERVICE,
) -> str:
    """Return the access key id that signed the request, or raise the fault that AWS would answer.

    `headers` have names in small letters, `url` is the path with its query.
    """
    if "authorization" not in headers:
        raise faults.MissingAuthenticationTokenException("Missing Authentication Token")
    signed = read(headers["authorization"])
    stamp = headers.get("x-amz-date", "")
    _check_time(stamp, signed, now)
    if signed.service != service or signed.scope_end != "aws4_request":
        raise faults.InvalidSignatureException(f"Credential should be scoped to correct service: '{service}'.")
    if "x-amz-security-token" in headers:
        raise faults.UnrecognizedClientException(_TEMPORARY)
    if signed.key_id not in secrets:
        raise faults.UnrecognizedClientException("The security token included in the request is invalid.")
    _check_content(headers, signed, body)
    expected = _sign(method, url, headers, body, signed, secrets[signed.key_id], stamp)
    if not hmac.compare_digest(expected.encode(), signed.signature.encode()):
        raise _mismatch()
    return signed.key_id


def read(header: str) -> Signed:
    """Take an Authorization header apart; IncompleteSignatureException names all that is missing."""
    algorithm, _, rest = header.strip().partition(" ")
    if algorithm != ALGORITHM:
        raise faults.IncompleteSignatureException(
            f"Authorization header requires '{ALGORITHM}', got {algorithm[:40]!r}"
        )
    found = {name.strip(): value.strip() for name, _, value in (part.partition("=") for part in rest.split(","))}
    missing = [name for name in ("Credential", "Signature", "SignedHeaders") if not found.get(name)]
    if missing:
        wanted = " ".join(f"Authorization header requires '{name}' parameter." for name in missing)
        raise faults.IncompleteSignatureException(wanted)
    scope = found["Credential"].rsplit("/", 4)
    if len(scope) != 5:
        raise faults.IncompleteSignatureException(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term"
        )
    key_id, date, region, service, end = scope
    names = tuple(found["SignedHeaders"].lower().split(";"))
    if "host" not in names:
        raise faults.InvalidSignatureException("'Host' must be a 'SignedHeader' in the AWS Authorization.")
    return Signed(key_id, date, region, service, names, found["Signature"], end)


def _check_time(stamp: str, signed: Signed, now: datetime) -> None:
    try:
        if not _STAMPS.fullmatch(stamp):
            raise ValueError(stamp)  # noqa: TRY301 - strptime alone is too kind
        then = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
    except ValueError as error:
        raise faults.IncompleteSignatureException(
            f"Authorization header requires existence of an 'X-Amz-Date' header of the form {_STAMP}."
        ) from error
    if signed.date != stamp[:8]:
        raise faults.InvalidSignatureException(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{signed.date[:20]}' != '{stamp[:8]}', from '{stamp}'."
        )
    earliest, latest = now - SKEW, now + SKEW
    if then < earliest:
        raise faults.InvalidSignatureException(
            f"Signature expired: {stamp} is now earlier than {earliest:{_STAMP}} ({now:{_STAMP}} - 5 min.)"
        )
    if then > latest:
        raise faults.InvalidSignatureException(
            f"Signature not yet current: {stamp} is still later than {latest:{_STAMP}} ({now:{_STAMP}} + 5 min.)"
        )


def _check_content(headers: Mapping[str, str], signed: Signed, body: bytes) -> None:
    """The signer trusts this header, so it must be true; and the header with the operation must be signed."""
    announced = headers.get("x-amz-content-sha256")
    if announced is not None and announced != hashlib.sha256(body).hexdigest():
        raise _mismatch()
    needed = {"x-amz-date", "x-amz-target"} & headers.keys()
    if needed.difference(signed.headers) or not headers.keys() >= set(signed.headers):
        raise _mismatch()


def _sign(
    method: str, url: str, headers: Mapping[str, str], body: bytes, signed: Signed, secret: str, stamp: str
) -> str:
    signer = _Presented(Credentials(signed.key_id, secret), signed.service, signed.region)
    presented = HTTPHeaders()
    for name in signed.headers:
        presented[name] = headers[name]
    request = AWSRequest(method, url=f"http://signed{url}", data=body, headers=presented)
    request.context["timestamp"] = stamp
    computed: str = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    return computed


def _mismatch() -> faults.InvalidSignatureException:
    return faults.InvalidSignatureException(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
        "Key and signing method. Consult the service documentation for details."
    )
