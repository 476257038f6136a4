"""Undo at the labeling page takes back what the person did last there, an answer or a skip."""

import asyncio
from typing import Any

from playwright.async_api import Browser, expect

from tests.e2e.labeling import Place, at_work, press, shown


async def test_undo_shows_the_image_again_and_removes_the_label(browser: Browser, place: Place) -> None:
    first, second = await place.store(2)
    async with at_work(browser, place) as page:
        before = await shown(page)
        await press(page, "1")
        await press(page, "2")
        await expect(page.locator("#undo")).to_have_text("ZUndo: mug")

        await press(page, "z")
        await expect(page.locator("#undo")).to_have_text("ZUndo: can")
        await press(page, "Backspace")

        await expect(page.locator("#stage img")).to_have_attribute("src", before)
        await expect(page.locator("#waiting")).to_have_text("2")
        assert await place.truth(first) is await place.truth(second) is None
        await press(page, "2")
        await expect(page.locator("#done")).to_have_text("1")

    assert await place.truth(first) == "mug"


async def test_undo_after_a_skip_takes_back_the_skip_and_keeps_the_answer(browser: Browser, place: Place) -> None:
    first, *_ = await place.store(3)
    async with at_work(browser, place) as page:
        await press(page, "1")
        await expect(page.locator("#done")).to_have_text("1")
        skipped = await shown(page)
        await press(page, "s")
        await expect(page.locator("#stage img")).not_to_have_attribute("src", skipped)
        await expect(page.locator("#undo")).to_have_text("ZUndo: Skip")

        await press(page, "z")

        await expect(page.locator("#stage img")).to_have_attribute("src", skipped)
        await expect(page.locator("#toast")).to_have_text("Took back the skip.")
        await expect(page.locator("#undo")).to_have_text("ZUndo: can")
        assert await place.truth(first) == "can"
        await press(page, "z")
        await expect(page.locator("#done")).to_have_text("0")
        await expect(page.locator("#waiting")).to_have_text("3")
    assert await place.truth(first) is None


async def test_undo_of_a_skip_that_somebody_else_answers_now_keeps_the_answer(browser: Browser, place: Place) -> None:
    first, *_ = await place.store(2)
    async with at_work(browser, place) as page:
        await press(page, "1")
        await press(page, "s")
        await expect(page.locator("#stage")).to_have_attribute("aria-busy", "false")
        await place.give_to("bob")

        await page.keyboard.press("z")

        await expect(page.locator("#toast")).to_have_text("Somebody else has this image now.")
        await expect(page.locator("#undo")).to_have_text("ZUndo: can")
    assert await place.truth(first) == "can"


async def test_undo_pressed_before_the_answer_is_saved_means_that_answer(browser: Browser, place: Place) -> None:
    first, second, _ = await place.store(3)
    async with at_work(browser, place) as page:
        release = asyncio.Event()

        async def hold(route: Any) -> None:
            await release.wait()
            await route.continue_()

        await press(page, "1")
        await expect(page.locator("#done")).to_have_text("1")
        await page.route("**/answer", hold)
        await press(page, "2")
        await press(page, "z")
        await press(page, "1")
        release.set()

        await expect(page.locator("#toast")).to_have_text("Took back “mug”.")
        await expect(page.locator("#undo")).to_have_text("ZUndo: can")
        await expect(page.locator("#done")).to_have_text("2")
    assert await place.truth(first) == "can"
    assert await place.truth(second) is None
