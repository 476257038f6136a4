"""The console beside the Custom Labels API on one port, and people who ask over HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import httpx
import pytest

from console import __main__ as main
from custom_labels import __main__ as api
from deployer import __main__ as deployer
from router import __main__ as router
from strop import app
from strop.settings import Settings
from tests import users
from trainer import __main__ as trainer


@pytest.fixture
def runs_as() -> str:
    return "console"


Ask = Callable[[str], Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def ask(runtime: app.Runtime, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ask]:
    """A client of the console for a person, signed in by a token. It knows of no Custom Labels API."""
    monkeypatch.delenv("AWS_ENDPOINT_URL_REKOGNITION", raising=False)
    transport = httpx.ASGITransport(app.web({main.NAME: runtime}, {main.NAME: main.build(runtime)}))
    async with AsyncExitStack() as stack:

        async def person(name: str) -> httpx.AsyncClient:
            return await stack.enter_async_context(await client(runtime, name, transport=transport))

        yield person


@pytest.fixture
async def served(
    runtime: app.Runtime, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    """A person who asks a console that has the API, trainer, deployer and router behind its buttons: all run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("AWS_ENDPOINT_URL_REKOGNITION", url)
    for name in ("CUSTOM_LABELS", "TRAINER"):
        monkeypatch.setenv(f"STROP_{name}_CACHE", str(tmp_path_factory.mktemp("cache")))
    stop, ready = asyncio.Event(), asyncio.Event()
    changed = settings.model_copy(
        update={"port": port, "control_urls": dict.fromkeys(("trainer", "deployer", "router"), url)}
    )
    async with asyncio.timeout(100), asyncio.TaskGroup() as group:
        group.create_task(
            app.serve(
                changed,
                {each.NAME: each.build for each in (main, api, trainer, deployer, router)},
                stop=stop,
                ready=ready,
            )
        )
        await ready.wait()
        async with await client(runtime, "ada", base_url=url) as person:
            yield person
        stop.set()


async def client(
    runtime: app.Runtime, name: str, *, base_url: str = "http://strop", transport: httpx.ASGITransport | None = None
) -> httpx.AsyncClient:
    async with runtime.sessions.begin() as session:
        token = await users.token(session, name, "api")
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(transport=transport, base_url=base_url, headers=headers, timeout=30)
