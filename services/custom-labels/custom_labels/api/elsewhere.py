"""AWS services that are not here, refused by name in the error form of the service's own protocol.

`AWS_ENDPOINT_URL` leads clients of every service to this address, so that none of them goes to AWS with a local key. No
signature is checked: the answer is the same to all.
"""

import json
import re
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from xml.sax.saxutils import escape

from fastapi import Response

from custom_labels.api import faults

FORM = "application/x-www-form-urlencoded"

_ACTION = re.compile(rb"(?:^|&)Action=([A-Za-z0-9]{1,60})")
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_QUERY = (
    "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    "<RequestId>{request_id}</RequestId></ErrorResponse>"
)
_EC2 = (
    "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
    "<RequestID>{request_id}</RequestID></Response>"
)
_S3 = "<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{request_id}</RequestId></Error>"
_XML = {"ec2": _EC2, "s3": _S3, "s3express": _S3, "cloudfront": _QUERY, "route53": _QUERY}
"""By the name that a service signs with: the error form of those that have XML without a form in the request, and EC2's."""


def operation(method: str, path: str, headers: Mapping[str, str], body: bytes) -> str:
    """Name the operation, whichever way the protocol carries it; of REST services it is method and path."""
    if target := headers.get("x-amz-target"):
        return target.rpartition(".")[2][:60]
    if is_form(headers):
        found = _ACTION.search(body)
        return found[1].decode() if found else "unknown"
    return f"{method} {path[:60]}"


def is_form(headers: Mapping[str, str]) -> bool:
    """Tell whether the request is of the query protocol."""
    return headers.get("content-type", "").startswith(FORM)


def missing(service: str, name: str) -> faults.UnsupportedServiceException:
    """Return the error that names the service and the operation, and where there is more."""
    return faults.UnsupportedServiceException(
        f"{service} is not available: Strop refused {name}, and nothing was sent to AWS. This address serves Rekognition "
        "Custom Labels and STS GetCallerIdentity; S3 and SQS have addresses of their own (AWS_ENDPOINT_URL_S3, "
        "AWS_ENDPOINT_URL_SQS). To call AWS itself, use a shell without Strop's AWS_ variables."
    )


@dataclass(frozen=True, slots=True)
class Error:
    """What every protocol has a place for."""

    status: int
    code: str
    message: str
    request_id: str


def write(error: Error, service: str, headers: Mapping[str, str]) -> Response:
    """Write an error as clients of this service read it."""
    kind = {"x-amzn-ErrorType": error.code}
    if headers.get("smithy-protocol") == "rpc-v2-cbor":
        body = _cbor({"__type": error.code, "message": error.message})
        return Response(body, error.status, {**kind, "smithy-protocol": "rpc-v2-cbor"}, "application/cbor")
    if is_form(headers) or service in _XML:
        values = {name: escape(text) for name, text in asdict(error).items() if isinstance(text, str)}
        return Response(_DECLARATION + _XML.get(service, _QUERY).format(**values), error.status, kind, "text/xml")
    asked = headers.get("content-type", "")
    media = asked if asked.startswith("application/x-amz-json-") else "application/json"
    return Response(json.dumps({"__type": error.code, "message": error.message}), error.status, kind, media)


def _cbor(texts: Mapping[str, str]) -> bytes:
    """Encode a map of texts in CBOR (RFC 8949)."""
    words = (word.encode() for pair in texts.items() for word in pair)
    return bytes([0xA0 | len(texts)]) + b"".join(b"\x79" + struct.pack(">H", len(word)) + word for word in words)
