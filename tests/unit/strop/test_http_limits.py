"""Limits that hold before the caller of a request is known."""

import asyncio
from collections.abc import AsyncIterator

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


APP = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "POST"])])


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    limited = http_limits.BodyLimit(APP, {"/large": http_limits.BODY + 1, "/": 3})
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


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """The port of a server with a short time for a request."""
    monkeypatch.setattr(http_limits, "REQUEST_TIMEOUT", 0.3)
    config = uvicorn.Config(APP, port=0, http=http_limits.TimedProtocol, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(wait.PATIENCE):
        while not server.started:
            await asyncio.sleep(0.01)
    yield int(server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    await serving


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"]
)
async def test_a_connection_whose_request_is_incomplete_is_closed(sent: bytes, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)

    assert await asyncio.wait_for(reader.read(), wait.PATIENCE) == b""
    writer.close()


async def test_a_complete_request_that_takes_longer_is_answered(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(request: Request) -> PlainTextResponse:
        await asyncio.sleep(2 * http_limits.REQUEST_TIMEOUT)
        return await echo(request)

    monkeypatch.setattr(APP.routes[0], "app", Route("/", slow, methods=["POST"]).app)
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"http://127.0.0.1:{port}/", content=b"abc")

    assert answer.text == "3"
