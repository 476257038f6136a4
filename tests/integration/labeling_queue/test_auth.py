import re
from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy import func, select, update

from labeling_queue import __main__ as main
from strop import app
from strop_contracts import tables
from tests import factories, roles, users
from tests.integration.labeling_queue.conftest import Store

LABELS = f"/api/projects/{factories.PROJECT}/labels"
UNDO = "/api/annotations/undo"


@pytest.fixture
async def browser(runtime: app.Runtime, store: Store) -> AsyncIterator[httpx.AsyncClient]:
    """Keeps cookies, and has none yet."""
    transport = httpx.ASGITransport(app.web({main.NAME: runtime}, {main.NAME: main.build(runtime)}))
    async with httpx.AsyncClient(transport=transport, base_url="http://strop:8080") as client:
        yield client


async def token(runtime: app.Runtime, kind: str, user: str = "ada") -> str:
    async with runtime.sessions.begin() as session:
        return await users.token(session, user, kind)


async def expire(runtime: app.Runtime) -> None:
    async with roles.arranging(runtime).begin() as session:
        await session.execute(update(tables.Token).values(expires_at=func.now()))


async def sign_in(browser: httpx.AsyncClient, link_token: str) -> httpx.Response:
    """Send what the button of a sign-in page sends."""
    return await browser.post("/sign-in", data={"token": link_token})


def hidden_fields(page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)">', page))


async def test_a_link_signs_in_once_by_a_cookie_that_scripts_cannot_read(
    browser: httpx.AsyncClient, runtime: app.Runtime
) -> None:
    link = await token(runtime, "once")

    answer = await sign_in(browser, link)

    assert answer.status_code == 303
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=lax" in answer.headers["set-cookie"]
    assert (await browser.get(LABELS)).status_code == 200
    browser.cookies.clear()
    for again in (await sign_in(browser, link), await browser.get("/sign-in", params={"token": link})):
        assert again.status_code == 401
        assert "was already used" in again.text


async def test_previews_and_scanners_of_a_link_leave_it_to_its_reader(
    browser: httpx.AsyncClient, runtime: app.Runtime
) -> None:
    link = await token(runtime, "once")
    for method in ("GET", "HEAD", "GET"):
        shown = await browser.request(method, "/sign-in", params={"token": link})

        assert shown.status_code == 200
        assert shown.headers["cache-control"] == "no-store"
        assert shown.headers["referrer-policy"] == "no-referrer"
        assert (await browser.get(LABELS)).status_code == 401

    assert "Sign in as ada" in shown.text
    assert (await browser.post("/sign-in", data=hidden_fields(shown.text))).status_code == 303
    assert (await browser.get(LABELS)).status_code == 200


async def test_a_form_of_another_site_cannot_sign_in(browser: httpx.AsyncClient, runtime: app.Runtime) -> None:
    link = await token(runtime, "once")
    await browser.get("/sign-in", params={"token": link})

    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://elsewhere"}, {"Origin": "null"}):
        for form in ({}, {"form": "made up"}):
            answer = await browser.post("/sign-in", data={"token": link, **form}, headers=headers)

            assert answer.status_code == 200
            assert "Sign in as ada" in answer.text
    assert (await browser.get(LABELS)).status_code == 401


async def test_our_own_form_counts_where_the_browser_hides_its_origin(
    browser: httpx.AsyncClient, runtime: app.Runtime
) -> None:
    """As browsers do for a page without a referrer, when there is no TLS."""
    page = await browser.get("/sign-in", params={"token": await token(runtime, "once")})

    answer = await browser.post("/sign-in", data=hidden_fields(page.text), headers={"Origin": "null"})

    assert answer.status_code == 303


async def test_who_is_signed_in_may_open_an_old_link(browser: httpx.AsyncClient, runtime: app.Runtime) -> None:
    link = await token(runtime, "once")
    await sign_in(browser, link)

    for again in (await browser.get("/sign-in", params={"token": link}), await sign_in(browser, link)):
        assert (again.status_code, again.headers["location"]) == (303, "/")


async def test_a_new_link_signs_another_person_in_over_the_first(
    browser: httpx.AsyncClient, runtime: app.Runtime
) -> None:
    await sign_in(browser, await token(runtime, "once"))
    link = await token(runtime, "once", "bob")

    assert "Sign in as bob" in (await browser.get("/sign-in", params={"token": link})).text
    await sign_in(browser, link)

    assert ">bob<" in (await browser.get("/")).text


async def test_an_expired_link_cannot_sign_in(browser: httpx.AsyncClient, runtime: app.Runtime) -> None:
    link = await token(runtime, "once")
    await expire(runtime)

    assert (await browser.get("/sign-in", params={"token": link})).status_code == 401
    assert (await sign_in(browser, link)).status_code == 401
    assert not browser.cookies


async def test_a_session_ends_by_time(browser: httpx.AsyncClient, runtime: app.Runtime) -> None:
    await sign_in(browser, await token(runtime, "once"))
    await expire(runtime)

    assert (await browser.get(LABELS)).status_code == 401


async def test_signing_out_ends_the_session_for_good(browser: httpx.AsyncClient, runtime: app.Runtime) -> None:
    await sign_in(browser, await token(runtime, "once"))

    await browser.post("/sign-out")

    assert browser.cookies  # it proves nothing any more
    assert (await browser.get(LABELS)).status_code == 401


async def test_a_bearer_token_needs_no_sign_in(browser: httpx.AsyncClient, runtime: app.Runtime) -> None:
    headers = {"Authorization": f"Bearer {await token(runtime, 'api')}"}

    assert (await browser.get(LABELS, headers=headers)).status_code == 200


async def test_a_wrong_token_is_refused_with_a_hint(browser: httpx.AsyncClient) -> None:
    for header in ("Bearer wrong", "Bearer", "Basic YWRhOmFkYQ=="):
        answer = await browser.get(LABELS, headers={"Authorization": header})

        assert answer.status_code == 401
        assert "Authorization: Bearer" in answer.json()["detail"]
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_tokens_of_one_kind_do_not_serve_as_another(browser: httpx.AsyncClient, runtime: app.Runtime) -> None:
    api, link = await token(runtime, "api"), await token(runtime, "once")

    assert (await browser.get("/sign-in", params={"token": api})).status_code == 401
    assert (await sign_in(browser, api)).status_code == 401
    assert (await browser.get(LABELS, headers={"Authorization": f"Bearer {link}"})).status_code == 401


async def test_only_hashes_are_kept_and_expired_ones_go(runtime: app.Runtime) -> None:
    old = await token(runtime, "once")
    await expire(runtime)
    new = await token(runtime, "api")

    async with roles.arranging(runtime)() as session:
        kept = list(await session.scalars(select(tables.Token)))
    assert len(kept) == 1
    assert not {old, new} & {kept[0].sha256}


async def test_another_site_cannot_use_the_cookie(browser: httpx.AsyncClient, runtime: app.Runtime) -> None:
    await sign_in(browser, await token(runtime, "once"))

    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://elsewhere"}):
        refused = await browser.post(UNDO, json={"project": factories.PROJECT}, headers=headers)
        await browser.post("/sign-out", headers=headers)

        assert refused.status_code == 403
        assert refused.json()["detail"] == "This request came from another site."
    own = await browser.post(UNDO, json={"project": factories.PROJECT}, headers={"Sec-Fetch-Site": "same-origin"})
    assert own.status_code == 404  # signed in still, and nothing to take back


async def test_pages_say_how_to_sign_in(browser: httpx.AsyncClient) -> None:
    for path in ("/", f"/label/{factories.PROJECT}", "/sign-in"):
        page = await browser.get(path)

        assert page.status_code == 401
        assert "Open the sign-in link" in page.text
