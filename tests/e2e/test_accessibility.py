"""axe-core finds nothing serious on any page, on a laptop and a phone, light and dark, with dialogs open and lists filled."""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import pytest
from axe_playwright_python.async_playwright import Axe
from fastapi.routing import APIRoute
from playwright.async_api import Browser, Page, expect

from console import __main__ as console
from custom_labels import __main__ as custom_labels
from deployer import __main__ as deployer
from labeling_queue import __main__ as labeling_queue
from router import __main__ as router
from strop import app
from strop.settings import Settings
from strop_contracts import tables
from tests import factories, judged
from tests.e2e import fleet_rows, visits
from tests.e2e.labeling import Place
from tests.integration.custom_labels import colours
from tests.unit.edge import packages

DEVICES = [pytest.param(visits.LAPTOP, id="laptop"), pytest.param(visits.PHONE, id="phone")]
SERIOUS = {"serious", "critical"}
PARTS = 4
"""Tests that share the pages of the console, so that each takes seconds."""
MANY = 20
"""Labels: enough for a filter, for keys beyond the digits and for lists and tables that scroll."""

CONSOLE = f"/console/projects/{judged.PROJECT}"
VERSION = f"{CONSOLE}/versions/{judged.VERSION}"
CAPTURE = UUID(int=7)
FLEET = "/console/projects/at-work"
"""A project with a fleet."""
VISITED = {
    "/": "/",
    "/label/{project}": f"/label/{factories.PROJECT}",
    "/dead-letters": "/dead-letters",
    "/sign-in": "/sign-in",
    "/console": "/console",
    "/console/import": "/console/import",
    "/console/projects/{project}": CONSOLE,
    "/console/projects/{project}/models": f"{CONSOLE}/models",
    "/console/projects/{project}/fleet": f"{FLEET}/fleet",
    "/console/projects/{project}/fleet/{device}": f"{FLEET}/fleet/line-000300",
    "/console/projects/{project}/captures/{capture}": f"{FLEET}/captures/{CAPTURE}",
    "/console/projects/{project}/quality": f"{FLEET}/quality",
    "/console/projects/{project}/rollouts": f"{FLEET}/rollouts",
    "/console/projects/{project}/training": f"{CONSOLE}/training",
    "/console/projects/{project}/try": f"{CONSOLE}/try",
    "/console/projects/{project}/data": f"{CONSOLE}/data",
    "/console/projects/{project}/data/{part}": f"{CONSOLE}/data/errors",
    "/console/projects/{project}/versions/{version}": VERSION,
    "/console/projects/{project}/versions/{version}/compare": f"{VERSION}/compare",
    "/console/projects/{project}/versions/{version}/results": f"{VERSION}/results",
    "/console/projects/{project}/versions/{version}/try": f"{VERSION}/try",
    "/console/projects/{project}/versions/{version}/commands": f"{VERSION}/commands",
}
"""An address of each page, by its route."""

OTHERS = {
    "without images": "/console/projects/empty/data",
    "without models": "/console/projects/empty/models",
    "without anything": "/console/projects/empty",
    "of a fleet at work": FLEET,
    "without rollouts": "/console/projects/empty/rollouts",
    "without quality": "/console/projects/empty/quality",
    "without devices": "/console/projects/empty/fleet",
    "devices with errors": f"{FLEET}/fleet?errors=true&sort=dropped&descending=true",
    "not judged": f"{CONSOLE}/versions/waiting",
    "nothing found": f"{CONSOLE}/data?q=nothing",
    "unknown project": "/label/nowhere",
    "unknown address": "/nowhere",
    "unknown version": f"{CONSOLE}/versions/nothing",
}
"""Pages that a route shows in other cases."""
NO_PAGES = (
    "/static/",
    "/images/",
    "/thumbnails/",
    ".svg",
    "/healthz",
    "/readyz",
    "/metrics",
    "/docs/",
    "/api/",
    "{path:path}",
)

BUILDS = {each.NAME: each.build for each in (labeling_queue, console, custom_labels, deployer, router)}


class Auditor:
    """Looks at a page in both themes and collects what axe finds."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.found: list[str] = []

    async def audit(self, what: str) -> None:
        for theme, rules in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
            await self.page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
            answer = await Axe().run(self.page, options={"resultTypes": ["violations"], **rules})
            self.found += [
                f"{what}, {theme}: {violation['id']} at {node['target']}: {node['failureSummary']}"
                for violation in answer.response["violations"]
                if violation["impact"] in SERIOUS
                for node in violation["nodes"]
            ]


@pytest.fixture
async def url(
    runtime: app.Runtime, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """All pages on one port, with something of everything that they show."""
    await fill(runtime)
    port = visits.free_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL_REKOGNITION", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("STROP_CUSTOM_LABELS_CACHE", str(tmp_path_factory.mktemp("cache")))
    urls = dict.fromkeys(("deployer", "router"), f"http://127.0.0.1:{port}")
    own = settings.model_copy(update={"control_urls": urls})
    async with visits.serving(own, BUILDS, port) as served:
        yield served


async def fill(runtime: app.Runtime) -> None:
    names = [f"kind of flower {number:02d}" for number in range(MANY)]
    shots = [
        judged.Shot(
            factories.picture(n), names[n % MANY], names[(n + (n % 3 == 0)) % MANY], 0.3 + n % 7 / 10, n % 9 == 8
        )
        for n in range(70)
    ]
    await judged.arrange(runtime, shots, files=await colours.stored(runtime, judged.PROJECT))
    async with runtime.sessions.begin() as session:
        session.add(run := tables.TrainingRun(project=judged.PROJECT, state="running", trigger="order"))
        await session.flush()
        trains = {"name": "waiting", "status": "TRAINING_IN_PROGRESS", "run_id": run.id}
        session.add(tables.ProjectVersion(project=judged.PROJECT, output={}, **trains))
        failed = {"status": "TRAINING_FAILED", "message": "The manifest file contains too many invalid data objects."}
        session.add(tables.ProjectVersion(project=judged.PROJECT, name="broken", output={}, **failed))
        await factories.make_project(session, "empty", devices=())
        await fleet_rows.make(session, "at-work", devices=300, captures=200)
        await factories.make_model(session, 2, "at-work")
        await factories.make_model(session, 3, "at-work")
        await factories.make_capture(session, factories.picture(7), id=CAPTURE, project="at-work", device="line-000007")
        await fleet_rows.add_rollout(session, "at-work", **fleet_rows.HELD)
        await fleet_rows.add_quality(session, "at-work")
        await factories.make_project(session)
        ended = {"state": "failed", "trigger": "labels", "error": "the images could not be read; " * 9}
        session.add(tables.TrainingRun(project=factories.PROJECT, **ended))
        for name in names:
            item = {"dataset": "base", "split": "train", "label": name, "sha256": "0", "key": name}
            session.add(tables.DatasetItem(project=factories.PROJECT, **item))
        item = {"dataset": "base", "split": "train", "label": names[0], "key": "bad.jpg", "refused": "not an image"}
        session.add(tables.DatasetItem(project=judged.PROJECT, **item))
        for number, service in enumerate(["ingest"] * 4 + ["router"]):
            letter = {"body": '{"topic": "t", "payload": "' + "x" * 4000 + '"}', "reason": f"no. {number}: no label"}
            session.add(tables.DeadLetter(service=service, sha256=str(number), count=1 + number, **letter))


@pytest.mark.parametrize("device", DEVICES)
async def test_sign_in_pages(browser: Browser, runtime: app.Runtime, url: str, device: dict[str, Any]) -> None:
    page = await (await browser.new_context(**device)).new_page()
    auditor = Auditor(page)
    for path in (VISITED["/sign-in"], VISITED["/"], VISITED["/console/import"]):
        await page.goto(url + path)
        await auditor.audit(f"{path} without a link")
    link = await visits.link(runtime, url)
    await page.goto(link)
    await auditor.audit("with a link")
    await page.goto(f"{link}x")
    await auditor.audit("with a used link")
    await page.context.close()

    assert auditor.found == []


@pytest.mark.parametrize("device", DEVICES)
async def test_labeling_pages(browser: Browser, runtime: app.Runtime, url: str, device: dict[str, Any]) -> None:
    async with visits.visit(browser, runtime, url, "/", **device) as page:
        auditor = Auditor(page)
        await auditor.audit("projects")
        await page.get_by_text("The latest training failed").click()
        await auditor.audit("projects with a failure open")
        await page.goto(f"{url}/dead-letters")
        await page.get_by_text("Message", exact=True).first.click()
        await page.get_by_role("checkbox").first.check()
        await page.get_by_text("Drop all").click()
        await auditor.audit("dead letters, all open")
        await page.goto(f"{url}{VISITED['/label/{project}']}")
        await expect(page.locator("#stage")).to_contain_text("All done")
        await auditor.audit("nothing to label")

        (capture,) = await Place(url, runtime).store()
        await expect(page.locator("#stage img")).to_be_visible()
        await page.locator("#guess").click()
        await auditor.audit("an image to label")
        await page.get_by_role("button", name="Help").click()
        await auditor.audit("help")
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="New label").click()
        await auditor.audit("new label")
        await page.keyboard.press("Escape")
        await page.locator("#labels button").first.click()
        await page.locator("#undo").click()
        await expect(page.locator("#toast")).to_be_visible()
        await auditor.audit(f"a message about {capture.device}")

    assert auditor.found == []


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("part", range(PARTS))
async def test_console_pages(
    browser: Browser, runtime: app.Runtime, url: str, device: dict[str, Any], part: int
) -> None:
    pages = {path: path for route, path in VISITED.items() if route.startswith("/console")} | OTHERS
    async with visits.visit(browser, runtime, url, "/console", **device) as page:
        auditor = Auditor(page)
        for what, path in [*pages.items()][part::PARTS]:
            await page.goto(url + path)
            await page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
            await auditor.audit(what)

    assert auditor.found == []


@pytest.mark.parametrize("device", DEVICES)
async def test_a_picture_from_near(browser: Browser, runtime: app.Runtime, url: str, device: dict[str, Any]) -> None:
    async with visits.visit(browser, runtime, url, f"{CONSOLE}/data/train", **device) as page:
        auditor = Auditor(page)
        await page.locator(".gallery .picture").first.click()
        await auditor.audit("a picture from near")

    assert auditor.found == []


@pytest.mark.parametrize("device", DEVICES)
async def test_answers_of_a_model(browser: Browser, runtime: app.Runtime, url: str, device: dict[str, Any]) -> None:
    async with visits.visit(browser, runtime, url, f"{CONSOLE}/models", **device) as page:
        auditor = Auditor(page)
        await page.get_by_role("button", name="Start").click()
        await expect(page.locator(".state.good")).to_have_text("Running")
        await auditor.audit("a model that runs")
        await page.goto(f"{url}{VERSION}/try")
        files = {"red.jpg": packages.RED, "text.jpg": b"no image"}
        chosen = [{"name": name, "mimeType": "image/jpeg", "buffer": body} for name, body in files.items()]
        await page.locator("input[type=file]").set_input_files(chosen)  # type: ignore[arg-type]
        await expect(page.locator(".answer")).to_have_count(2)
        await auditor.audit("answers")

    assert auditor.found == []


def paths(router: Any, prefix: str = "") -> Iterator[str]:
    """What can be asked for with GET, of a router and those that it includes."""
    for route in router.routes:
        if isinstance(route, APIRoute) and "GET" in (route.methods or ()):
            yield prefix + route.path
        elif hasattr(route, "original_router"):
            yield from paths(route.original_router, prefix + route.include_context.prefix)


async def test_every_page_is_looked_at(runtime: app.Runtime) -> None:
    found = paths(app.web(dict.fromkeys(BUILDS, runtime), {name: build(runtime) for name, build in BUILDS.items()}))

    assert {path for path in found if not any(part in path for part in NO_PAGES)} == set(VISITED)


async def test_what_scrolls_is_reached_by_the_keyboard(browser: Browser, runtime: app.Runtime, url: str) -> None:
    async with visits.visit(browser, runtime, url, VERSION, **visits.PHONE) as page:
        for name in ("Confusion matrix", "Figures of each label"):
            region = page.get_by_role("region", name=name)
            await region.focus()
            overflows = "region => region.scrollWidth > region.clientWidth"  # once the picture is there
            await page.wait_for_function(overflows, arg=await region.element_handle())
            await page.keyboard.press("ArrowRight")

            await page.wait_for_function("region => region.scrollLeft > 0", arg=await region.element_handle())
