"""Limits of the HTTP side that hold before a caller is known: size of a body, time to send a request, connections."""

import asyncio
from collections.abc import Mapping
from typing import Any

import h11
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

BODY = 2**20
"""Largest body in bytes, where a service declares no other for the path."""

REQUEST_TIMEOUT = 120.0
"""Seconds for a client to send a whole request, from its connection or the first byte of the next request on."""

CONNECTIONS = 500
"""Open connections of a process; each further one gets 503."""


class BodyLimit:
    """ASGI middleware that answers 413 to a body above the limit of its path, before more of it is read."""

    def __init__(self, app: ASGIApp, larger: Mapping[str, int]) -> None:
        """`larger`: bytes by path, which stands for all paths below it too."""
        self._app = app
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        path = scope["path"]
        limit = max(
            (size for top, size in self._larger.items() if path == top or path.startswith(f"{top}/")), default=BODY
        )
        left = limit
        refusal = HTTPException(413, f"The body is larger than {limit} bytes.", {"Connection": "close"})

        async def limited() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise refusal  # handled like one of a route
            return message

        if _announced(scope) > limit:
            answer = JSONResponse({"detail": refusal.detail}, refusal.status_code, refusal.headers)
            return await answer(scope, receive, send)
        return await self._app(scope, limited, send)


def _announced(scope: Scope) -> int:
    value = dict(scope["headers"]).get(b"content-length", b"0")
    return int(value) if value.isdigit() else 0


class TimedProtocol(H11Protocol):
    """Uvicorn's HTTP/1.1, which also closes a connection whose request is not complete in time."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop()

    def _watch(self) -> None:
        """Start the timer while a request is incomplete, and stop it once it is complete."""
        if self.conn.their_state not in {h11.IDLE, h11.SEND_BODY}:
            self._stop()
        elif self._late is None:
            self._late = self.loop.call_later(REQUEST_TIMEOUT, self.transport.close)

    def _stop(self) -> None:
        if self._late:
            self._late.cancel()
            self._late = None
