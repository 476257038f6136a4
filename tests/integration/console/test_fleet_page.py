"""The pages of the fleet: filters, orders, pages, and one device."""

import re

import httpx
import pytest
from sqlalchemy import text

from strop import app
from tests import factories, roles
from tests.e2e import fleet_rows
from tests.integration.console.conftest import Ask

FLEET = f"/console/projects/{factories.PROJECT}/fleet"


@pytest.fixture
async def ada(ask: Ask, runtime: app.Runtime) -> httpx.AsyncClient:
    async with roles.arranging(runtime).begin() as session:
        await fleet_rows.make(session, factories.PROJECT, devices=120, captures=240)
    return await ask("ada")


async def listed(ada: httpx.AsyncClient, **query: str) -> list[str]:
    """The names of the devices on a page, in their order."""
    page = (await ada.get(FLEET, params=query)).raise_for_status().text
    return re.findall(r'<th scope="row"><a href="[^"]*">line-0*(\d+)</a>', page)


async def test_devices_are_listed_by_name_in_pages(ada: httpx.AsyncClient) -> None:
    first, last = await listed(ada), await listed(ada, page="3")

    assert (first[0], len(first), last) == ("1", 50, [str(number) for number in range(101, 121)])


async def test_devices_are_filtered(ada: httpx.AsyncClient) -> None:
    assert await listed(ada, errors="true") == ["60", "120"]
    assert await listed(ada, model="v3", group="lyon") == ["40", "100"]
    assert await listed(ada, model="") == ["97"]  # has not reported a model
    assert await listed(ada, name="-00011") == [str(number) for number in range(110, 120)]
    assert await listed(ada, name="%") == []


async def test_devices_are_sorted_by_a_column(ada: httpx.AsyncClient) -> None:
    assert (await listed(ada, sort="dropped", descending="true"))[:3] == ["50", "100", "1"]
    assert (await listed(ada, sort="seen"))[:3] == ["97", "41", "82"]


async def test_an_address_keeps_the_filters_when_the_order_changes(ada: httpx.AsyncClient) -> None:
    page = (await ada.get(FLEET, params={"model": "v3", "sort": "spool"})).text

    assert "?name=&amp;model=v3&amp;sort=spool&amp;descending=True" in page
    assert "?name=&amp;model=v3&amp;sort=seen" in page
    assert 'aria-sort="ascending"' in page


async def test_a_device_shows_its_state_counts_deployments_and_captures(
    ada: httpx.AsyncClient, runtime: app.Runtime
) -> None:
    async with roles.arranging(runtime).begin() as session:
        await fleet_rows.add_rollout(session, factories.PROJECT, **fleet_rows.HELD)
        await session.execute(text("update captures set label = 'mug' where device = 'line-000100'"))

    page = (await ada.get(f"{FLEET}/line-000100")).text

    assert "lost since boot: full</dt><dd>12" in page
    assert "can</span> 62 %" in page
    assert '">v3</a>' in page
    assert "installed</span>" in page
    assert page.count("<b>mug</b> 55 %") == 2


async def test_a_device_that_is_not_enrolled_is_not_found(ada: httpx.AsyncClient) -> None:
    answer = await ada.get(f"{FLEET}/nothing")

    assert (answer.status_code, "There is no device nothing" in answer.text) == (404, True)


async def test_the_page_of_a_fleet_without_devices_has_the_command_to_add_one(ask: Ask, runtime: app.Runtime) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session, devices=())

    assert "strop devices add" in (await (await ask("ada")).get(FLEET)).text
