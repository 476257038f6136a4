"""A person's hours at the labeling page, in a real browser against the running service."""

import asyncio
import re
from functools import partial
from typing import Any

import pytest
from playwright.async_api import Browser, expect
from sqlalchemy import func, update

from labeling_queue import rules
from strop_contracts import keys, tables
from tests import factories, wait
from tests.e2e import visits
from tests.e2e.labeling import Place, at_work, press, shown


async def test_a_person_signs_in_by_a_link_and_labels_with_the_number_keys(browser: Browser, place: Place) -> None:
    captures = await place.store(3)
    async with at_work(browser, place) as page:
        await expect(page.locator("#waiting")).to_have_text("3")
        for key in ("1", "2", "1"):
            await press(page, key)

        await expect(page.locator("#stage")).to_contain_text("All done")
        await expect(page.locator("#done")).to_have_text("3")
        await expect(page).to_have_title(re.compile("All done"))

    assert [await place.truth(capture) for capture in captures] == ["can", "mug", "can"]
    assert await place.count(tables.Annotation.author == "ada", tables.Annotation.source == "page") == 3
    for capture, label in zip(captures, ("can", "mug", "can"), strict=True):
        await wait.until(partial(place.runtime.storage.size, rules.copy_key(capture, label)))


async def test_the_next_image_is_there_before_the_answer_is_saved(browser: Browser, place: Place) -> None:
    await place.store(2)
    async with at_work(browser, place) as page:
        release = asyncio.Event()

        async def hold(route: Any) -> None:
            await release.wait()
            await route.continue_()

        first = await shown(page)
        await page.route("**/answer", hold)
        await press(page, "1")

        await expect(page.locator("#stage img")).not_to_have_attribute("src", first)
        await expect(page.locator("#stage")).to_have_attribute("aria-busy", "false")
        await expect(page.locator("#done")).to_have_text("0")
        release.set()
        await expect(page.locator("#done")).to_have_text("1")


async def test_a_reload_shows_the_same_image_again_and_loses_no_answer(browser: Browser, place: Place) -> None:
    await place.store(6)
    async with at_work(browser, place) as page:
        await press(page, "1")
        await expect(page.locator("#done")).to_have_text("1")
        before = await shown(page)

        await page.reload()

        await expect(page.locator("#stage img")).to_have_attribute("src", before)
        await expect(page.locator("#done")).to_have_text("1")
        await press(page, "z")  # goes on beyond the reload
        await expect(page.locator("#toast")).to_have_text("Took back “can”.")


async def test_there_are_keys_for_what_no_label_fits(browser: Browser, place: Place) -> None:
    await place.store(3)
    async with at_work(browser, place) as page:
        for key in "unb":
            await press(page, key)
        await expect(page.locator("#done")).to_have_text("3")

    assert await place.answers() == ["unclear", "none", "bad"]


async def test_a_skipped_image_comes_again_at_the_end(browser: Browser, place: Place) -> None:
    await place.store(2)
    async with at_work(browser, place) as page:
        before = await shown(page)
        await press(page, "s")
        await expect(page.locator("#stage img")).not_to_have_attribute("src", before)
        await press(page, "1")

        await expect(page.locator("#stage img")).to_have_attribute("src", before)


async def test_a_new_label_gets_the_next_key_and_keeps_it(browser: Browser, place: Place) -> None:
    await place.store(3)
    async with at_work(browser, place) as page:
        await press(page, "+")
        await page.keyboard.type("bottle")  # sorts before the others
        await page.keyboard.press("Enter")
        await expect(page.locator("#labels button").nth(2)).to_have_text("3bottle")
        await press(page, "+")
        await page.keyboard.type("BOTTLE")  # is known already
        await page.keyboard.press("Enter")
        await expect(page.locator("#done")).to_have_text("2")

        await page.reload()
        await expect(page.locator("#labels button").nth(2)).to_have_text("3bottle")
        await press(page, "3")
        await expect(page.locator("#done")).to_have_text("3")

    assert await place.count(tables.GroundTruth.label == "bottle") == 3


async def test_a_new_label_may_hold_a_slash(browser: Browser, place: Place) -> None:
    (capture,) = await place.store()
    async with at_work(browser, place) as page:
        await press(page, "+")
        await page.keyboard.type("N/A")
        await page.keyboard.press("Enter")
        await expect(page.locator("#done")).to_have_text("1")

    assert await place.truth(capture) == "N/A"


async def test_keys_typed_into_the_new_label_answer_nothing(browser: Browser, place: Place) -> None:
    await place.store()
    async with at_work(browser, place) as page:
        await press(page, "+")
        await page.keyboard.type("1 bus")
        await page.keyboard.press("Escape")
        await expect(page.locator("#new-label")).to_be_hidden()
        await expect(page.locator("#done")).to_have_text("0")

    assert await place.count(tables.Annotation.id.is_not(None)) == 0


async def test_the_guess_is_hidden_until_asked_for(browser: Browser, place: Place) -> None:
    await place.store()
    async with at_work(browser, place) as page:
        await expect(page.locator("#guess")).to_have_text("Show the guess")
        await expect(page.locator("#labels .guess")).to_have_count(0)

        await press(page, "g")

        await expect(page.locator("#guess")).to_have_text("Model: can, 55 %")
        await expect(page.locator("#labels .guess")).to_have_text("1can")


async def test_new_images_appear_by_themselves_when_all_is_done(browser: Browser, place: Place) -> None:
    async with at_work(browser, place) as page:
        await expect(page.locator("#stage")).to_contain_text("All done")

        await place.store()

        await expect(page.locator("#stage img")).to_be_visible(timeout=15_000)
        await expect(page.locator("#waiting")).to_have_text("1")


async def test_two_people_see_different_images_and_a_message_when_none_is_left(browser: Browser, place: Place) -> None:
    await place.store(5)
    async with at_work(browser, place, "ada") as ada:
        await shown(ada)
        async with at_work(browser, place, "bob") as bob:
            assert await shown(ada) != await shown(bob)
            await press(bob, "1")
            await expect(bob.locator("#stage")).to_contain_text("The last 4 images are with somebody else.")


async def test_without_a_connection_the_image_is_brought_back(browser: Browser, place: Place) -> None:
    await place.store()
    async with at_work(browser, place) as page:
        before = await shown(page)
        await page.context.set_offline(True)
        await press(page, "1")

        await expect(page.locator("#toast")).to_contain_text("Not saved: No connection.")
        await expect(page.locator("#stage img")).to_have_attribute("src", before)
        await expect(page.locator("#trouble")).to_contain_text("No connection")
        await page.context.set_offline(False)
        await expect(page.locator("#trouble")).to_be_empty(timeout=15_000)
        await press(page, "1")
        await expect(page.locator("#done")).to_have_text("1")


@pytest.mark.parametrize(
    "viewport", [visits.LAPTOP["viewport"], {"width": 1024, "height": 700}, visits.PHONE["viewport"]]
)
async def test_a_message_covers_no_answer(browser: Browser, place: Place, viewport: dict[str, int]) -> None:
    await place.store()
    async with at_work(browser, place, viewport=viewport) as page:
        await shown(page)
        await page.context.set_offline(True)
        await press(page, "1")

        await expect(page.locator("#toast")).to_be_visible()
        toast, stage = await page.locator("#toast").bounding_box(), await page.locator("#stage").bounding_box()
        for button in await page.locator(".panel button, #guess").all():
            await button.click(trial=True)  # fails when something lies over its middle
        assert toast
        assert stage
        assert stage["x"] <= toast["x"]
        assert toast["x"] + toast["width"] <= stage["x"] + stage["width"]


async def test_a_labeler_who_is_signed_out_continues_after_signing_in(browser: Browser, place: Place) -> None:
    await place.store()
    async with at_work(browser, place) as page:
        await shown(page)
        async with place.runtime.sessions.begin() as session:
            await session.execute(update(tables.Token).values(expires_at=func.now()))
        await press(page, "1")
        await expect(page.locator("#trouble")).to_contain_text("You are signed out.")

        other = await page.context.new_page()
        await visits.sign_in(other, place.runtime, place.url)
        await other.close()

        await expect(page.locator("#trouble")).to_be_empty(timeout=15_000)
        await press(page, "1")
        await expect(page.locator("#done")).to_have_text("1")


async def test_an_image_that_somebody_took_over_is_not_answered_twice(browser: Browser, place: Place) -> None:
    (capture,) = await place.store()
    async with at_work(browser, place) as page:
        await shown(page)
        await place.give_to("bob")

        await press(page, "1")

        await expect(page.locator("#toast")).to_contain_text("somebody else has it now")
        await expect(page.locator("#stage")).to_contain_text("The last image is with somebody else.")

    assert await place.truth(capture) is None


async def test_an_image_that_cannot_be_shown_can_be_called_bad_and_nothing_else(browser: Browser, place: Place) -> None:
    (capture,) = await place.store()
    await place.runtime.storage.put(keys.image(capture.project, capture.sha256), b"no image", "image/jpeg")
    async with at_work(browser, place) as page:
        await expect(page.locator("#stage")).to_contain_text("cannot be shown")
        await press(page, "1")
        await expect(page.locator("#done")).to_have_text("0")

        await press(page, "b")

        await expect(page.locator("#done")).to_have_text("1")
    assert await place.count(tables.Annotation.answer == "bad") == 1


async def test_a_phone_names_the_project_and_shows_the_keys_in_the_help(browser: Browser, place: Place) -> None:
    async with at_work(browser, place, **visits.PHONE) as page:
        await expect(page.get_by_role("heading", name=factories.PROJECT)).to_be_visible()
        await expect(page.locator(".panel kbd").first).to_be_hidden()
        await page.get_by_role("button", name="Help").tap()

        for key in await page.locator("#help kbd").all():
            await expect(key).to_be_visible()


async def test_a_phone_labels_by_tapping_and_everything_fits(browser: Browser, place: Place) -> None:
    (capture,) = await place.store()
    async with at_work(browser, place, **visits.PHONE) as page:
        await expect(page.locator("#stage")).to_have_attribute("aria-busy", "false")
        overflow = "() => document.documentElement.scrollWidth > innerWidth || document.body.scrollHeight > innerHeight"
        assert not await page.evaluate(overflow)
        heights = await page.locator(".panel button").evaluate_all("all => all.map(one => one.offsetHeight)")
        assert min(heights) >= 40

        await page.locator("#labels").get_by_text("mug").tap()

        await expect(page.locator("#stage")).to_contain_text("All done")
        await expect(page.locator("#done")).to_have_text("1")
    assert await place.truth(capture) == "mug"


async def test_the_description_of_the_api_needs_nothing_from_elsewhere(browser: Browser, place: Place) -> None:
    page = await browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    await page.goto(f"{place.url}/api/docs")

    await expect(page.locator(".opblock").first).to_be_visible()
    await expect(page.get_by_text("/api/annotations/undo")).to_be_visible()
    assert [url for url in asked if not url.startswith((place.url, "data:"))] == []
    await page.close()


async def test_the_front_page_follows_the_work(browser: Browser, place: Place) -> None:
    await place.store()
    async with at_work(browser, place) as page:
        front = await page.context.new_page()
        await front.goto(place.url)
        await expect(front.get_by_role("link", name="Label 1 image")).to_be_visible()

        await press(page, "1")

        await expect(front.get_by_role("link", name="Nothing to label")).to_be_visible(timeout=15_000)
        await expect(front.locator(".people li")).to_contain_text("ada")
