"""The AWS JSON 1.1 protocol: POST / with `X-Amz-Target: RekognitionService.{operation}`, signed with signature version 4.

Requests that are signed for other services come here as well, on any path: see `elsewhere` and `sts`.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.routing import Match
from starlette.types import Scope

from custom_labels import metrics
from custom_labels.api import cors, elsewhere, faults, shapes, signature, sts
from custom_labels.api.call import Call, Operation
from custom_labels.settings import Settings
from strop import app

log = structlog.get_logger()

LARGEST_BODY = 8 * 2**20
"""The largest valid request is a blob of 5 MiB, which base64 makes 7."""

_TYPE = "application/x-amz-json-1.1"
_SERVICE = "RekognitionService"
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
_BROKEN = "Something broke here. Please try again."
_NO_ORIGIN = "No web page of this origin may call: STROP_CUSTOM_LABELS_ORIGINS names those that may."


class _Signed(APIRoute):
    """Any path, with a signature of version 4: REST services have the operation in their path."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        found, child = super().matches(scope)
        signed = found is Match.FULL and signature.service_of(Headers(scope=scope).get("authorization", ""))
        return (found, child) if signed else (Match.NONE, {})


class Api:
    """Answers requests by a table of operations."""

    def __init__(self, runtime: app.Runtime, settings: Settings, table: Mapping[str, Operation]) -> None:
        self._runtime = runtime
        self._settings = settings
        self._secrets = settings.secrets()
        self._origins = cors.Origins(settings.origins)
        self._table = table

    def router(self) -> APIRouter:
        router = APIRouter()
        common: dict[str, Any] = {"include_in_schema": False, "response_class": Response}
        router.add_api_route("/", self.answer, methods=["POST"], **common)
        router.add_api_route("/", self.preflight, methods=["OPTIONS"], **common)
        router.add_api_route("/{path:path}", self.answer, methods=_METHODS, route_class_override=_Signed, **common)
        return router

    async def preflight(self, request: Request) -> Response:
        """Answer a browser that asks whether a page of another origin may call."""
        request_id = str(uuid4())
        granted = self._origins.preflight(request.headers)
        if not granted:
            return _fail(faults.AccessDeniedException(_NO_ORIGIN), request_id)
        return Response(None, 200, {**granted, "x-amzn-RequestId": request_id})

    async def answer(self, request: Request) -> Response:
        """Answer every request in its protocol's form; nothing but a broken connection escapes."""
        started, request_id = time.perf_counter(), str(uuid4())
        service = signature.service_of(request.headers.get("authorization", ""))
        if service is None and elsewhere.is_form(request.headers):
            service = sts.SERVICE  # the only one whose clients send unsigned forms
        if service in {None, signature.SERVICE}:
            name, code, response = await self._rekognition(request, request_id)
        else:
            name, code, response = await self._other(request, str(service), request_id)
        response.headers["x-amzn-RequestId"] = request_id
        response.headers.update(self._origins.granted(request.headers.get("origin")))
        metrics.HOSTED_SECONDS.labels(name, code).observe(time.perf_counter() - started)
        return response

    async def _rekognition(self, request: Request, request_id: str) -> tuple[str, str, Response]:
        """Run an operation; returns its name and the code of its error, for the metrics, beside the answer."""
        name = "unknown"
        try:
            body = await _body(request)
            name = self._operation(request)
            self._authenticate(request, body, signature.SERVICE)
            return name, "", _respond(200, await self._run(name, body), request_id)
        except faults.Fault as fault:
            return name, fault.code, _fail(fault, request_id)
        except Exception:
            log.exception("operation_failed", operation=name, request_id=request_id)
            broken = faults.InternalServerError(_BROKEN)
            return name, broken.code, _fail(broken, request_id)

    async def _other(self, request: Request, service: str, request_id: str) -> tuple[str, str, Response]:
        """Answer STS, or say that the service is not here; the metrics keep one name for all of those."""
        known = "unknown"
        try:
            body = await _body(request) if elsewhere.is_form(request.headers) else b""
            name = elsewhere.operation(request.method, request.url.path, request.headers, body)
            _require_here(service, name)
            known, key_id = name, self._authenticate(request, body, service)
            return known, "", Response(sts.identity(self._settings, key_id, request_id), media_type="text/xml")
        except faults.Fault as fault:
            code, status = fault.code, fault.status
            if service == sts.SERVICE and code in sts.CODES:
                code, status = sts.CODES[code], 403
            error = elsewhere.Error(status, code, str(fault), request_id)
        except Exception:
            log.exception("request_failed", service=service, operation=known, request_id=request_id)
            error = elsewhere.Error(500, "InternalServerError", _BROKEN, request_id)
        return known, error.code, elsewhere.write(error, service, request.headers)

    def _operation(self, request: Request) -> str:
        service, _, name = request.headers.get("x-amz-target", "").partition(".")
        if service != _SERVICE or name not in self._table:
            raise faults.UnknownOperationException(f"There is no operation {name[:60]!r} here.")
        return name

    def _authenticate(self, request: Request, body: bytes, service: str) -> str:
        headers = {name: ",".join(request.headers.getlist(name)) for name in request.headers}
        url = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return signature.verify(request.method, url, headers, body, self._secrets, datetime.now(UTC), service)

    async def _run(self, name: str, body: bytes) -> dict[str, Any]:
        """Check the request, then run the operation in one transaction."""
        checked = shapes.read(name, body)
        async with self._runtime.sessions.begin() as session:
            return await self._table[name](Call(self._runtime, self._settings, session), checked)


async def _body(request: Request) -> bytes:
    """Read the body, but no more of it than a valid one has."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_BODY:
            raise faults.RequestEntityTooLargeException(f"A request has {LARGEST_BODY} bytes at the most.")
        chunks.append(chunk)
    return b"".join(chunks)


def _require_here(service: str, name: str) -> None:
    if service != sts.SERVICE:
        raise elsewhere.missing(service, name)
    if name != sts.OPERATION:
        raise sts.unavailable(name)


def _fail(fault: faults.Fault, request_id: str) -> Response:
    """An error as the JSON protocol has it; Rekognition repeats the code in a member."""
    body = {"__type": fault.code, "Code": fault.code, "Message": str(fault), "Logref": request_id}
    response = _respond(fault.status, body, request_id)
    response.headers["x-amzn-ErrorType"] = fault.code
    return response


def _respond(status: int, body: dict[str, Any], request_id: str) -> Response:
    return Response(shapes.write(body), status, {"x-amzn-RequestId": request_id}, _TYPE)
