"""A person judges, starts, tries and stops a model in a real browser, against the running services."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from console import __main__ as console
from custom_labels import __main__ as custom_labels
from labeling_queue import __main__ as labeling_queue
from strop import app
from strop.settings import Settings
from tests import factories, judged
from tests.e2e import visits
from tests.integration.custom_labels import colours
from tests.unit.edge import packages

LAPTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
VERSION = f"/console/projects/{judged.PROJECT}/versions/{judged.VERSION}"
PATIENCE = 20_000
"""Milliseconds that a model may take to start on a busy machine."""


@dataclass(frozen=True)
class Place:
    """The running services."""

    url: str
    runtime: app.Runtime

    async def arrange(self, shots: Sequence[judged.Shot] = judged.SHOTS, **version: Any) -> None:
        await judged.arrange(self.runtime, shots, **version)


BUILDS = {each.NAME: each.build for each in (labeling_queue, console, custom_labels)}


@pytest.fixture
async def place(
    runtime: app.Runtime, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Place]:
    """Labeling pages, console and the Custom Labels API on one port."""
    port = visits.free_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL_REKOGNITION", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("STROP_CUSTOM_LABELS_CACHE", str(tmp_path_factory.mktemp("cache")))
    async with visits.serving(settings, BUILDS, port) as url:
        yield Place(url, runtime)


def at_work(browser: Browser, place: Place, path: str, **device: Any) -> AbstractAsyncContextManager[Page]:
    return visits.visit(browser, place.runtime, place.url, path, **(device or LAPTOP))


async def shown_labels(page: Page) -> list[str]:
    return await page.locator("#labels tbody tr:visible th").all_inner_texts()


async def test_labels_are_sorted_by_any_column(browser: Browser, place: Place) -> None:
    await place.arrange()
    async with at_work(browser, place, VERSION) as page:
        assert await shown_labels(page) == ["tulip", "rose", "daisy"]

        await page.get_by_role("button", name="F1").click()
        assert await shown_labels(page) == ["daisy", "rose", "tulip"]
        await page.get_by_role("button", name="Label").click()
        assert await shown_labels(page) == ["daisy", "rose", "tulip"]
        await page.get_by_role("button", name="FN").click()

        assert await shown_labels(page) == ["tulip", "rose", "daisy"]
        await expect(page.locator("[aria-sort]")).to_have_text("FN")


async def test_one_label_of_many_is_found_by_typing(browser: Browser, place: Place) -> None:
    await place.arrange([judged.Shot(factories.picture(n), f"kind {n:02d}", f"kind {n:02d}", 0.9) for n in range(20)])
    async with at_work(browser, place, VERSION) as page:
        await page.get_by_label("Find a label").fill("KIND 07")

        assert await shown_labels(page) == ["kind 07"]


async def test_mistakes_are_filtered_from_the_figures_down_to_the_image(browser: Browser, place: Place) -> None:
    await place.arrange()
    async with at_work(browser, place, VERSION) as page:
        await page.get_by_role("row", name="rose").get_by_role("link", name="rose").click()
        await expect(page.locator(".results li")).to_have_count(2)
        await page.get_by_role("link", name="False negative").click()
        await expect(page.locator(".results li")).to_have_count(1)
        await expect(page.locator(".results li")).to_contain_text("tulip 71.0 %")

        await page.locator(".results .picture").click()
        await expect(page.locator("#closer img")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator("#closer")).to_have_count(0)

        await page.locator(".counts").get_by_role("link", name="tulip").click()
        await expect(page.locator(".results li")).to_have_count(2)
        await expect(page.locator(".results")).to_contain_text("rejected as unknown")


async def test_a_data_set_is_searched(browser: Browser, place: Place) -> None:
    await place.arrange()
    async with at_work(browser, place, f"/console/projects/{judged.PROJECT}") as page:
        await page.get_by_role("navigation", name=judged.PROJECT).get_by_role("link", name="Labels").click()
        await expect(page.locator(".gallery li")).to_have_count(6)
        await page.locator(".counts").get_by_role("link", name="daisy").click()
        await expect(page.locator(".gallery li")).to_have_count(2)
        await page.get_by_label("Search").fill("daisy/1")
        await page.keyboard.press("Enter")

        await expect(page.locator(".gallery li")).to_have_count(1)
        loaded = "image => image.complete && image.naturalWidth > 0"
        await page.wait_for_function(loaded, arg=await page.locator(".gallery img").element_handle())


async def test_a_model_is_started_tried_and_stopped(browser: Browser, place: Place) -> None:
    await place.arrange(files=await colours.stored(place.runtime, judged.PROJECT))
    async with at_work(browser, place, f"/console/projects/{judged.PROJECT}/models") as page:
        await page.get_by_label("Units at most").fill("2")
        await page.get_by_role("button", name="Start").click()
        await expect(page.locator(".state.good")).to_have_text("Running", timeout=PATIENCE)  # without a reload
        await expect(page.locator(".version")).to_contain_text("1–2")  # noqa: RUF001 - as pages write a range

        await page.get_by_role("link", name="Try a model").click()
        files = {"red.jpg": packages.RED, "text.jpg": b"no image", "green.jpg": packages.GREEN}
        chosen = [{"name": name, "mimeType": "image/jpeg", "buffer": body} for name, body in files.items()]
        await page.locator("input[type=file]").set_input_files(chosen)  # type: ignore[arg-type]
        await expect(page.locator(".answer")).to_have_count(3)
        green, text, red = [await page.locator(".answer").nth(place).inner_text() for place in range(3)]
        assert green.startswith("green")
        assert "choose a JPEG or PNG" in text
        assert red.startswith("red")
        assert "answered" in red

        await page.get_by_role("button", name="Stop").click()
        await expect(page.locator(".version .state").first).to_have_text("Stopped", timeout=PATIENCE)
        await page.goto(f"{place.url}{VERSION}/try")
        await expect(page.locator("#hint")).to_contain_text("start it first")


async def test_commands_are_copied(browser: Browser, place: Place) -> None:
    await place.arrange()
    async with at_work(browser, place, f"{VERSION}/commands") as page:
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        start = page.locator(".copy", has_text="start-project-version")
        await start.get_by_role("button").click()
        await expect(start.get_by_role("button")).to_have_text("Copied")

        copied = await page.evaluate("() => navigator.clipboard.readText()")
        assert copied == await start.locator("pre").text_content()
        assert "version/first/" in copied


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_pictures_follow_the_theme(browser: Browser, place: Place, theme: str) -> None:
    await place.arrange()
    async with at_work(browser, place, VERSION, **LAPTOP, color_scheme=theme) as page:
        picture = page.get_by_alt_text("Confusion matrix")
        await picture.scroll_into_view_if_needed()  # it is drawn when it is about to be seen
        await page.wait_for_function("image => image.naturalWidth > 100", arg=await picture.element_handle())

        assert ("theme=dark" in await picture.evaluate("image => image.currentSrc")) == (theme == "dark")


async def test_everything_fits_a_phone(browser: Browser, place: Place) -> None:
    await place.arrange(name="a.rather-long.name-of-a-version.2026-11-22T20.15.00")
    version = VERSION.replace(judged.VERSION, "a.rather-long.name-of-a-version.2026-11-22T20.15.00")
    project = f"/console/projects/{judged.PROJECT}"
    ends = ("", "/results", "/try", "/commands")
    async with at_work(browser, place, "/", **visits.PHONE) as page:
        for path in ("/", project, f"{project}/data", "/console/import", *(version + end for end in ends)):
            await page.goto(place.url + path)
            assert not await page.evaluate("() => document.documentElement.scrollWidth > innerWidth"), path

        await page.goto(f"{place.url}{project}/data")
        await expect(page.locator(".counts")).to_be_hidden()  # folded: the pictures come first
        await page.get_by_text("3 labels").tap()
        await page.locator(".counts").get_by_role("link", name="rose").tap()
        await expect(page.locator(".gallery li")).to_have_count(2)


async def test_the_pages_lead_to_one_another(browser: Browser, place: Place) -> None:
    await place.arrange()
    async with at_work(browser, place, "/") as page:
        await page.get_by_role("link", name="Dead letters").click()
        await expect(page.get_by_role("heading", name="Dead letters")).to_be_visible()
        await page.get_by_role("link", name="Import images").click()
        await expect(page.get_by_role("heading", name="Import images")).to_be_visible()
        await page.get_by_role("navigation", name="Strop").get_by_role("link", name="Projects").click()
        await page.get_by_role("link", name=judged.PROJECT, exact=True).click()
        sections = page.get_by_role("navigation", name=judged.PROJECT)
        for title in await sections.get_by_role("link").all_inner_texts():
            await sections.get_by_role("link", name=title).click()
            await expect(page.get_by_role("heading", level=1)).to_contain_text(title)
            await expect(sections.locator("[aria-current]")).to_have_text(title)
        await sections.get_by_role("link", name="Models").click()
        await page.get_by_role("link", name=judged.VERSION, exact=True).click()

        await expect(page.get_by_role("heading", name="By label")).to_be_visible()
        await expect(sections.locator("[aria-current]")).to_have_text("Models")
