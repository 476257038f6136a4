"""The AWS JSON 1.1 protocol: POST / with `X-Amz-Target: RekognitionService.{operation}`, signed with signature version 4."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import structlog
from fastapi import APIRouter, Request, Response

from custom_labels import faults, shapes, signature
from custom_labels.call import Call, Operation
from custom_labels.settings import Settings
from strop import app, metrics

log = structlog.get_logger()

LARGEST_BODY = 8 * 2**20
"""The largest valid request is a blob of 5 MiB, which base64 makes 7."""

_TYPE = "application/x-amz-json-1.1"
_SERVICE = "RekognitionService"


class Api:
    """Answers requests by a table of operations."""

    def __init__(self, runtime: app.Runtime, settings: Settings, table: Mapping[str, Operation]) -> None:
        self._runtime = runtime
        self._settings = settings
        self._secrets = settings.secrets()
        self._table = table

    def router(self) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/", self.answer, methods=["POST"], include_in_schema=False, response_class=Response)
        return router

    async def answer(self, request: Request) -> Response:
        """Answer every request in the protocol's form; nothing but a broken connection escapes."""
        name, code, started, request_id = "unknown", "", time.perf_counter(), str(uuid4())
        try:
            body = await _body(request)
            name = self._operation(request)
            self._authenticate(request, body)
            response = _respond(200, await self._run(name, body), request_id)
        except faults.Fault as fault:
            code, response = fault.code, _fail(fault, request_id)
        except Exception:
            log.exception("operation broke", operation=name, request_id=request_id)
            broken = faults.InternalServerError("Something broke here. Please try again.")
            code, response = broken.code, _fail(broken, request_id)
        metrics.HOSTED_SECONDS.labels(name, code).observe(time.perf_counter() - started)
        return response

    def _operation(self, request: Request) -> str:
        service, _, name = request.headers.get("x-amz-target", "").partition(".")
        if service != _SERVICE or name not in self._table:
            raise faults.UnknownOperationException(f"There is no operation {name[:60]!r} here.")
        return name

    def _authenticate(self, request: Request, body: bytes) -> None:
        headers = {name: ",".join(request.headers.getlist(name)) for name in request.headers}
        url = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        signature.verify(request.method, url, headers, body, self._secrets, datetime.now(UTC))

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


def _fail(fault: faults.Fault, request_id: str) -> Response:
    """An error as the JSON protocol has it; Rekognition repeats the code in a member."""
    body = {"__type": fault.code, "Code": fault.code, "Message": str(fault), "Logref": request_id}
    response = _respond(fault.status, body, request_id)
    response.headers["x-amzn-ErrorType"] = fault.code
    return response


def _respond(status: int, body: dict[str, Any], request_id: str) -> Response:
    return Response(shapes.write(body), status, {"x-amzn-RequestId": request_id}, _TYPE)
