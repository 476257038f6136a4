"""Forward control requests to the service that offers them, so that one URL serves the `strop` command."""

from collections.abc import Mapping

import aiohttp
import structlog
from fastapi import FastAPI, HTTPException, Request, Response
from yarl import URL

from strop_contracts import control

log = structlog.get_logger()

_TIMEOUT = aiohttp.ClientTimeout(total=120, connect=5)  # seconds
_HEADERS = ("authorization", "content-type", "accept")
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def mount(api: FastAPI, urls: Mapping[str, str]) -> None:
    """Add a route for control requests that no service of this process handles; `urls` are by service name.

    Call it after all other routes. The service checks the token itself: this route adds no rights.
    """
    if not urls:
        return

    @api.api_route(f"{control.PREFIX}/{{service}}/{{path:path}}", methods=_METHODS, include_in_schema=False)
    async def forward(service: str, path: str, request: Request) -> Response:
        if service not in urls:
            raise HTTPException(404, f"there is no service {service}")
        # The path as it was sent: decoded, an escaped slash of a name would change it.
        sent = request.scope["raw_path"].decode("ascii").partition("?")[0]
        query = f"?{request.url.query}" if request.url.query else ""
        return await _send(request, service, urls[service].rstrip("/") + sent + query)


async def _send(request: Request, service: str, url: str) -> Response:
    headers = {name: request.headers[name] for name in _HEADERS if name in request.headers}
    body = None if request.method == "GET" else request.stream()
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, headers=headers) as client,
            client.request(request.method, URL(url, encoded=True), data=body, allow_redirects=False) as answer,
        ):
            content = await answer.read()
            return Response(content, answer.status, media_type=answer.headers.get("content-type"))
    except (aiohttp.ClientError, TimeoutError) as error:
        log.warning("control_request_failed", service=service, error=repr(error))
        raise HTTPException(502, f"the service {service} is unreachable") from error
