"""What tests of the pages share: services on a port of their own, and people who sign in there with a browser."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, Page

from strop import app
from strop.settings import Settings
from tests import users

LAPTOP: dict[str, Any] = {"viewport": {"width": 1366, "height": 768}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@asynccontextmanager
async def serving(settings: Settings, builds: Mapping[str, app.Build], port: int) -> AsyncIterator[str]:
    """The services on this port; gives their address."""
    stop, ready = asyncio.Event(), asyncio.Event()
    async with asyncio.timeout(100), asyncio.TaskGroup() as group:
        group.create_task(app.serve(settings.model_copy(update={"port": port}), builds, stop=stop, ready=ready))
        await ready.wait()
        yield f"http://127.0.0.1:{port}"
        stop.set()


async def link(runtime: app.Runtime, url: str, user: str = "ada") -> str:
    async with runtime.sessions.begin() as session:
        return f"{url}/sign-in?token={await users.token(session, user, 'once')}"


async def sign_in(page: Page, runtime: app.Runtime, url: str, user: str = "ada") -> None:
    """Open a sign-in link and press its button."""
    await page.goto(await link(runtime, url, user))
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"{url}/")


@asynccontextmanager
async def visit(
    browser: Browser, runtime: app.Runtime, url: str, path: str, user: str = "ada", **device: Any
) -> AsyncIterator[Page]:
    """A person who signed in and opened a page; errors of its scripts and blocked content fail the test."""
    failures: list[str] = []
    context = await browser.new_context(**(device or LAPTOP))
    page = await context.new_page()
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("console", lambda said: failures.append(said.text) if "Content Security Policy" in said.text else None)
    await sign_in(page, runtime, url, user)
    await page.goto(url + path)
    yield page
    await context.close()
    assert not failures
