"""A person decides about dead letters in a real browser, against the running service."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect
from sqlalchemy import select

from labeling_queue import __main__ as main
from strop import app, auth, models
from strop.settings import Settings
from tests import browser as browsers

LAPTOP: dict[str, Any] = {"viewport": {"width": 1366, "height": 768}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
REASON = "'strop/bottles/line-1/capture': label: expected a text of 1 to 100 characters, got None"


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with browsers.chromium() as opened:
        yield opened


@pytest.fixture
async def url(runtime: app.Runtime, settings: Settings) -> AsyncIterator[str]:
    """The service on a port of its own, with four letters of ingest and one of the router, the latest."""
    async with runtime.sessions.begin() as session:
        for number, service in enumerate(["ingest"] * 4 + ["router"]):
            about = {"body": '{"topic": "t", "payload": "{}"}', "reason": f"no. {number}: {REASON}"}
            session.add(models.DeadLetter(service=service, sha256=str(number), count=1, **about))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stop, ready = asyncio.Event(), asyncio.Event()
    async with asyncio.timeout(100), asyncio.TaskGroup() as group:
        changed = settings.model_copy(update={"port": port})
        group.create_task(app.serve(changed, [main.build], stop=stop, ready=ready))
        await ready.wait()
        yield f"http://127.0.0.1:{port}"
        stop.set()


@asynccontextmanager
async def reading(browser: Browser, runtime: app.Runtime, url: str, device: dict[str, Any]) -> AsyncIterator[Page]:
    """A person who opened the letters of ingest; blocked content fails the test."""
    failures: list[str] = []
    context = await browser.new_context(**device)
    page = await context.new_page()
    page.on("console", lambda said: failures.append(said.text) if "Content Security Policy" in said.text else None)
    async with runtime.sessions.begin() as session:
        token = await auth.make_token(session, "ada", "once")
    await page.goto(f"{url}/sign-in?token={token}")
    await page.goto(f"{url}/dead-letters?service=ingest")
    yield page
    await context.close()
    assert not failures


def letter(page: Page, number: int) -> Any:
    return page.locator(".letter").filter(has_text=f"no. {number}:")


async def states(runtime: app.Runtime) -> list[str]:
    async with runtime.sessions() as session:
        return list(await session.scalars(select(models.DeadLetter.state).order_by(models.DeadLetter.sha256)))


@pytest.mark.parametrize("device", [pytest.param(LAPTOP, id="laptop"), pytest.param(PHONE, id="phone")])
async def test_some_letters_are_retried_and_others_dropped(
    browser: Browser, runtime: app.Runtime, url: str, device: dict[str, Any]
) -> None:
    async with reading(browser, runtime, url, device) as page:
        await expect(page.get_by_role("button", name="Retry selected")).to_be_hidden()
        for number in (0, 2):
            await letter(page, number).get_by_role("checkbox").check()
        await page.get_by_role("button", name="Retry selected").click()
        await expect(page.locator(".letter")).to_have_count(2)
        for number in (1, 3):
            await letter(page, number).get_by_text("ingest", exact=True).click()  # beside the box
        await page.get_by_role("button", name="Drop selected").click()
        await expect(page.get_by_text("Nothing is waiting here")).to_be_visible()

        assert await states(runtime) == ["retried", "dropped", "retried", "dropped", "open"]
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("device", [pytest.param(LAPTOP, id="laptop"), pytest.param(PHONE, id="phone")])
async def test_all_letters_of_a_service_are_dropped_at_the_second_click(
    browser: Browser, runtime: app.Runtime, url: str, device: dict[str, Any]
) -> None:
    async with reading(browser, runtime, url, device) as page:
        await page.get_by_text("Drop all 4").click()
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.get_by_role("button", name="Drop 4 letters").click()
        await expect(page.get_by_text("Nothing is waiting here")).to_be_visible()

        assert await states(runtime) == ["dropped"] * 4 + ["open"]
