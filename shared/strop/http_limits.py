"""Limits of the HTTP side that hold before a caller is known: size of a body, time to send a request, connections."""

import asyncio
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import h11
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

BODY = 2**20
"""Largest body in bytes, where a service declares no other for the path."""

FIRST_BYTE = 10.0
"""Seconds for a client to begin its first request."""

REQUEST_TIMEOUT = 120.0
"""Seconds for a client to send a whole request, from its first byte on."""

READ_TIMEOUT = 120.0
"""Seconds in which a client reads nothing of a response that waits for it."""

CONNECTIONS = 500
"""Open connections of a process; each further one is closed at once."""


class BodyLimit:
    """ASGI middleware that answers 413 to a body above the limit of its path, before more of it is read."""

    def __init__(self, app: ASGIApp, larger: Mapping[str, int]) -> None:
        """`larger`: bytes by pattern of paths, as `fnmatch` has it."""
        self._app = app
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        path = scope["path"]
        limit = max((size for pattern, size in self._larger.items() if fnmatchcase(path, pattern)), default=BODY)
        left = limit
        refusal = HTTPException(
            413, f"This request is too large: its body may have {limit} bytes.", {"Connection": "close"}
        )

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
    """Uvicorn's HTTP/1.1 with limits: of connections, of the time for a request, and of the time a client reads nothing."""

    _late: asyncio.TimerHandle | None = None
    _blocked: asyncio.TimerHandle | None = None
    _due: float | None = None  # loop time at which the request must be complete

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.abort()
        else:
            self._late = self.loop.call_later(FIRST_BYTE, transport.abort)

    def data_received(self, data: bytes) -> None:
        if self._due is None:
            self._due = self.loop.time() + REQUEST_TIMEOUT
        super().data_received(data)
        _stop(self._late)
        if self.conn.their_state in {h11.IDLE, h11.SEND_BODY}:
            self._late = self.loop.call_at(self._due, self.transport.abort)
        else:
            self._due = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._blocked = self.loop.call_later(READ_TIMEOUT, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        _stop(self._blocked)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        _stop(self._late)
        _stop(self._blocked)


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer:
        timer.cancel()
