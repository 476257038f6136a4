"""Who may see the pages, and what is said to others."""

import httpx

from console import __main__ as main
from strop import app
from tests import judged, users
from tests.integration.console.conftest import Ask


def stranger(runtime: app.Runtime) -> httpx.AsyncClient:
    web = app.web({main.NAME: runtime}, {main.NAME: main.build(runtime)})
    return httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://strop")


async def test_who_is_not_signed_in_sees_nothing(runtime: app.Runtime) -> None:
    await judged.arrange(runtime)
    sha256 = judged.SHOTS[0].outcome().sha256
    async with stranger(runtime) as nobody:
        for path in ("/projects/flowers", "/import", f"/images/flowers/{sha256}", f"/thumbnails/flowers/{sha256}"):
            answer = await nobody.get(f"/console{path}")

            assert answer.status_code == 401
            assert "Please sign in" in answer.text
            assert "flowers" not in answer.text


async def test_a_sign_in_link_works_once_at_the_consoles_own_address(runtime: app.Runtime) -> None:
    async with runtime.sessions.begin() as session:
        token = await users.token(session, "ada", "once")
    async with stranger(runtime) as ada, stranger(runtime) as other:
        first = await ada.post("/sign-in", data={"token": token})
        again = await other.post("/sign-in", data={"token": token})

        assert first.status_code == 303
        assert first.headers["location"] == "/"
        assert "ada" in (await ada.get("/")).text
        assert again.status_code == 401
        assert "already used" in again.text

        await ada.post("/sign-out")
        assert (await ada.get("/")).status_code == 401


async def test_the_consoles_first_address_leads_to_the_home_page(runtime: app.Runtime) -> None:
    async with stranger(runtime) as browser:
        assert (await browser.get("/console")).headers["location"] == "/"


async def test_another_sites_page_changes_nothing(ask: Ask, runtime: app.Runtime) -> None:
    await judged.arrange(runtime)
    ada = await ask("ada")

    answer = await ada.post(
        "/console/projects/flowers/versions/first/start", headers={"sec-fetch-site": "cross-site"}, data={"units": 1}
    )

    assert answer.status_code == 403
    assert "from another site" in answer.text


async def test_pages_load_nothing_from_elsewhere_and_may_not_be_framed(ask: Ask) -> None:
    answer = await (await ask("ada")).get("/")

    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "//" not in answer.text.replace("http://strop", "")


async def test_scripts_and_styles_are_served_those_of_all_pages_too(runtime: app.Runtime) -> None:
    async with stranger(runtime) as nobody:
        for path in (
            "/console/static/console.js",
            "/console/static/console.css",
            "/static/base.css",
            "/static/icon.svg",
        ):
            assert (await nobody.get(path)).status_code == 200
        assert (await nobody.get("/console/static/nothing.js")).status_code == 404


async def test_an_address_that_makes_no_sense_is_answered_in_words(ask: Ask, runtime: app.Runtime) -> None:
    await judged.arrange(runtime)
    ada = await ask("ada")

    wrong = await ada.get("/console/projects/flowers/data?page=x")
    missing = await ada.get("/console/projects/nothing")

    assert wrong.status_code == 422
    assert "page: Input should be a valid integer" in wrong.text
    assert missing.status_code == 404
    assert "There is no project nothing." in missing.text
