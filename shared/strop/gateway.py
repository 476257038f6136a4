"""Forward control requests to the service that offers them, so that one URL serves the `strop` command."""

from collections.abc import Container, Mapping
from urllib.parse import unquote

import aiohttp
import structlog
from fastapi import FastAPI, HTTPException, Request, Response
from yarl import URL

from strop_contracts import control

log = structlog.get_logger()

_TIMEOUT = aiohttp.ClientTimeout(
    total=100, connect=5
)  # seconds; less than that of the command, which reports the reason
_HEADERS = ("authorization", "content-type", "accept")
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_UNSURE = "check whether the request was carried out before you repeat it"
_FORWARDED = "strop-forwarded"
"""Header of a request that was forwarded: it is not forwarded again, so that wrong URLs make no endless loop."""


def mount(api: FastAPI, urls: Mapping[str, str], own: Container[str]) -> None:
    """Add a route for control requests that no service of this process handles.

    `urls` are those of services by name; `own` are the services of this process. Call it after all other routes. The service
    checks the token itself: this route adds no rights.
    """

    @api.api_route(f"{control.PREFIX}/{{service}}/{{path:path}}", methods=_METHODS, include_in_schema=False)
    async def forward(service: str, path: str, request: Request) -> Response:
        if service in own:
            raise HTTPException(404)
        if service not in urls or _FORWARDED in request.headers:
            raise HTTPException(502, f"STROP_CONTROL_URLS does not lead to the service {service}")
        # The path as it was sent: decoded, an escaped slash of a name would change it.
        sent = request.scope["raw_path"].decode("ascii").partition("?")[0]
        if {".", ".."} & set(unquote(sent).split("/")):  # a proxy on the way might resolve it
            raise HTTPException(404)
        query = f"?{request.url.query}" if request.url.query else ""
        return await _send(request, service, urls[service].rstrip("/") + sent + query)


async def _send(request: Request, service: str, url: str) -> Response:
    headers = {name: request.headers[name] for name in _HEADERS if name in request.headers} | {_FORWARDED: "1"}
    body = None if request.method == "GET" else request.stream()
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, headers=headers) as client,
            client.request(request.method, URL(url, encoded=True), data=body, allow_redirects=False) as answer,
        ):
            content = await answer.read()
            return Response(content, answer.status, media_type=answer.headers.get("content-type"))
    except (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError) as error:  # it has not received the request
        raise _failed(502, service, "is unreachable: try again once it is ready", error) from error
    except TimeoutError as error:
        raise _failed(504, service, f"did not respond within {_TIMEOUT.total:.0f} s; {_UNSURE}", error) from error
    except (aiohttp.ClientError, OSError) as error:
        raise _failed(502, service, f"closed the connection; {_UNSURE}", error) from error


def _failed(status: int, service: str, reason: str, error: Exception) -> HTTPException:
    log.warning("control_request_failed", service=service, error=repr(error))
    return HTTPException(status, f"the service {service} {reason}")
