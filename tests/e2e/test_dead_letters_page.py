"""A person decides about dead letters in a real browser, against the running service."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect
from sqlalchemy import select

from labeling_queue import __main__ as main
from strop import app
from strop.settings import Settings
from strop_contracts import tables
from tests.e2e import visits

REASON = "'strop/bottles/line-1/capture': label: expected a text of 1 to 100 characters, got None"


@pytest.fixture
async def url(runtime: app.Runtime, settings: Settings) -> AsyncIterator[str]:
    """The service on a port of its own, with four letters of ingest and one of the router, the latest."""
    async with runtime.sessions.begin() as session:
        for number, service in enumerate(["ingest"] * 4 + ["router"]):
            about = {"body": '{"topic": "t", "payload": "{}"}', "reason": f"no. {number}: {REASON}"}
            session.add(tables.DeadLetter(service=service, sha256=str(number), count=1, **about))
    async with visits.serving(settings, {main.NAME: main.build}, visits.free_port()) as served:
        yield served


def reading(
    browser: Browser, runtime: app.Runtime, url: str, device: dict[str, Any]
) -> AbstractAsyncContextManager[Page]:
    """A person who opened the letters of ingest."""
    return visits.visit(browser, runtime, url, "/dead-letters?service=ingest", **device)


def letter(page: Page, number: int) -> Any:
    return page.locator(".letter").filter(has_text=f"no. {number}:")


async def states(runtime: app.Runtime) -> list[str]:
    async with runtime.sessions() as session:
        return list(await session.scalars(select(tables.DeadLetter.state).order_by(tables.DeadLetter.sha256)))


@pytest.mark.parametrize("device", [pytest.param(visits.LAPTOP, id="laptop"), pytest.param(visits.PHONE, id="phone")])
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
        await expect(page.get_by_text("There are no dead letters")).to_be_visible()

        assert await states(runtime) == ["retried", "dropped", "retried", "dropped", "open"]
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("device", [pytest.param(visits.LAPTOP, id="laptop"), pytest.param(visits.PHONE, id="phone")])
async def test_all_letters_of_a_service_are_dropped_at_the_second_click(
    browser: Browser, runtime: app.Runtime, url: str, device: dict[str, Any]
) -> None:
    async with reading(browser, runtime, url, device) as page:
        await page.get_by_text("Drop all 4").click()
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.get_by_role("button", name="Drop 4 letters").click()
        await expect(page.get_by_text("There are no dead letters")).to_be_visible()

        assert await states(runtime) == ["dropped"] * 4 + ["open"]
