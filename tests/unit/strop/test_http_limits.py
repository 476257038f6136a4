"""Limits that hold before the caller of a request is known."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from strop import http_limits
from tests import wait


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


async def slow(request: Request) -> PlainTextResponse:
    await asyncio.sleep(2 * http_limits.REQUEST_TIMEOUT)
    return await echo(request)


async def much(_: Request) -> PlainTextResponse:
    """More than the buffers between server and client take."""
    return PlainTextResponse("x" * 50_000_000)


APP = Starlette(
    routes=[
        Route("/slow", slow, methods=["POST"]),
        Route("/much", much),
        Route("/{path:path}", echo, methods=["GET", "POST"]),
    ]
)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    limited = http_limits.BodyLimit(APP, {"/large/*": http_limits.BODY + 1, "/": 3})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(limited), base_url="http://strop") as opened:
        yield opened


async def streamed(size: int) -> AsyncIterator[bytes]:
    """A body whose size is not announced."""
    for start in range(0, size, 2**16):
        yield b"x" * min(2**16, size - start)


@pytest.mark.parametrize(("path", "limit"), [("/x", http_limits.BODY), ("/large/x", http_limits.BODY + 1), ("/", 3)])
async def test_a_body_above_the_limit_of_its_path_is_refused(path: str, limit: int, client: httpx.AsyncClient) -> None:
    for size, status in ((limit, 200), (limit + 1, 413)):
        announced = await client.post(path, content=b"x" * size)
        unannounced = await client.post(path, content=streamed(size))

        assert [announced.status_code, unannounced.status_code] == [status, status]


@asynccontextmanager
async def serving() -> AsyncIterator[uvicorn.Server]:
    config = uvicorn.Config(APP, port=0, http=http_limits.TimedProtocol, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    async with asyncio.timeout(wait.PATIENCE):
        while not server.started:
            await asyncio.sleep(0.01)
    yield server
    server.should_exit = True
    await running


def port(server: uvicorn.Server) -> int:
    return int(server.servers[0].sockets[0].getsockname()[1])


@pytest.fixture
async def hurried(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[uvicorn.Server]:
    """A server with short times."""
    for name in ("FIRST_BYTE", "REQUEST_TIMEOUT", "READ_TIMEOUT"):
        monkeypatch.setattr(http_limits, name, 0.3)
    async with serving() as server:
        yield server


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"]
)
async def test_a_connection_whose_request_is_incomplete_is_closed(sent: bytes, hurried: uvicorn.Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port(hurried))
    writer.write(sent)

    with suppress(ConnectionError):
        assert await wait.within(reader.read(), wait.PATIENCE) == b""
    writer.close()


async def test_a_client_that_does_not_read_its_response_is_disconnected(hurried: uvicorn.Server) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port(hurried), limit=2)
    writer.write(b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n")

    async with asyncio.timeout(wait.PATIENCE):
        while not hurried.server_state.total_requests or hurried.server_state.connections:
            await asyncio.sleep(0.01)
    writer.close()


async def test_a_connection_above_the_limit_is_closed_and_others_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_limits, "CONNECTIONS", 3)
    async with serving() as server:
        opened = [await asyncio.open_connection("127.0.0.1", port(server)) for _ in range(3)]
        further, writer = await asyncio.open_connection("127.0.0.1", port(server))

        with suppress(ConnectionError):
            assert await wait.within(further.read(), wait.PATIENCE) == b""
        opened[0][1].write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await opened[0][0].readline() == b"HTTP/1.1 200 OK\r\n"
        for _, each in [*opened, (further, writer)]:
            each.close()


async def test_a_complete_request_that_takes_longer_is_answered(hurried: uvicorn.Server) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"http://127.0.0.1:{port(hurried)}/slow", content=b"abc")

    assert answer.text == "3"
