"""Folders of the bucket that may be new labels, on the labeling page."""

from functools import partial

from playwright.async_api import Browser, expect

from strop import outbox
from strop_contracts import events, tables
from tests import factories, wait
from tests.e2e.labeling import Place, at_work


async def test_a_reviewer_decides_on_the_page_what_a_folder_stands_for(browser: Browser, place: Place) -> None:
    first, second, third = await place.store(3)
    for capture, label in ((first, "cans"), (second, "jug")):
        async with place.runtime.sessions.begin() as session:
            filed = events.LabelFiled(project=capture.project, capture_id=capture.id, label=label)
            await outbox.add(session, filed)
    await wait.until(
        partial(place.count, tables.FiledLabel.project == factories.PROJECT, tables.FiledLabel.label == "jug")
    )
    async with at_work(browser, place) as page:
        await page.get_by_role("button", name="cans").click()
        await expect(page.locator("#folder-name")).to_have_value("can")
        await page.get_by_role("button", name="Use this label").click()
        await expect(page.locator("#toast")).to_have_text("1 image gets the label can")
        await page.get_by_role("button", name="jug").click()
        await page.get_by_role("button", name="It is a new label").click()
        await expect(page.locator("#folders")).to_be_hidden()
        await expect(page.locator("#labels [value=jug][data-act=label]")).to_be_visible()

    await wait.until(lambda: _is(place, first, "can"))
    await wait.until(lambda: _is(place, second, "jug"))
    assert await place.truth(third) is None


async def _is(place: Place, capture: tables.Capture, label: str) -> bool:
    return await place.truth(capture) == label
