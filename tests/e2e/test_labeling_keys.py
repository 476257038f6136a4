"""The labeling page's keys on keyboards of other layouts."""

from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.labeling import Place, at_work

LAYOUTS = {
    "Russian": ("г", "т", "и", "ы", "я"),  # noqa: RUF001 - as the keyboard types
    "Greek": ("θ", "ν", "β", "σ", "ζ"),  # noqa: RUF001
    "Hebrew": ("ו", "מ", "נ", "ד", "ז"),  # noqa: RUF001
    "Arabic": ("ع", "ى", "لا", "س", "ئ"),
}
"""What the keys of u, n, b, s and z type."""


async def strike(page: Page, typed: str, code: str, **more: Any) -> None:
    """Press the key at a position of the keyboard, where the layout types this; once the page takes an answer."""
    await expect(page.locator("#stage")).to_have_attribute("aria-busy", "false")
    event = {"key": typed, "code": code, "bubbles": True, "cancelable": True, **more}
    await page.evaluate("event => document.body.dispatchEvent(new KeyboardEvent('keydown', event))", event)


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_keys_count_by_their_position_where_letters_are_not_latin(
    browser: Browser, place: Place, layout: str
) -> None:
    await place.store(4)
    unclear, none, bad, skip, undo = LAYOUTS[layout]
    async with at_work(browser, place) as page:
        for typed, code in ((unclear, "KeyU"), (none, "KeyN"), (bad, "KeyB")):
            await strike(page, typed, code)
        await expect(page.locator("#done")).to_have_text("3")
        await strike(page, skip, "KeyS")
        await strike(page, undo, "KeyZ")
        await expect(page.locator("#toast")).to_have_text("Took back the skip.")

    assert await place.answers() == ["unclear", "none", "bad"]


async def test_keys_of_latin_layouts_count_by_what_they_type(browser: Browser, place: Place) -> None:
    await place.store(2)
    async with at_work(browser, place) as page:
        await strike(page, "&", "Digit1")  # AZERTY: digits are behind Shift
        await expect(page.locator("#done")).to_have_text("1")
        await strike(page, "w", "KeyZ")  # no label has this key yet
        await strike(page, ";", "KeyZ")  # Dvorak
        await strike(page, "z", "KeyZ", ctrlKey=True)
        await strike(page, "я", "KeyZ", altKey=True)
        await expect(page.locator("#undo")).to_have_text("ZUndo: can")

        await strike(page, "z", "KeyW")  # AZERTY has its z here

        await expect(page.locator("#toast")).to_have_text("Took back “can”.")
