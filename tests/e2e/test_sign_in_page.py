"""A person signs in by a link in a real browser."""

import httpx
from playwright.async_api import Browser, expect

from tests.e2e import visits
from tests.e2e.labeling import Place


async def test_a_link_that_a_preview_opened_signs_in_even_by_a_double_click(browser: Browser, place: Place) -> None:
    link = await visits.link(place.runtime, place.url, "anna")
    async with httpx.AsyncClient(headers={"User-Agent": "Slackbot-LinkExpanding 1.0"}) as preview:
        assert (await preview.get(link, follow_redirects=True)).status_code == 200
    page = await browser.new_page()
    await page.goto(link)
    await page.get_by_role("button", name="Sign in").dblclick()

    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    assert page.url == f"{place.url}/"
    await page.close()
