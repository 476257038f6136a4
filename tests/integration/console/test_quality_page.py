"""The page of accuracy in the field, and the same on the overview."""

import re

import httpx
from sqlalchemy import select

from strop import app
from strop_contracts import tables
from tests import factories, roles
from tests.e2e import fleet_rows
from tests.integration.console.conftest import Ask

PROJECT = f"/console/projects/{factories.PROJECT}"
QUALITY = f"{PROJECT}/quality"


async def arrange(runtime: app.Runtime, hours: int = 72) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session)
        await fleet_rows.add_quality(session, factories.PROJECT, hours)


async def test_accuracy_is_shown_with_its_interval_over_time_and_by_label(ask: Ask, runtime: app.Runtime) -> None:
    await arrange(runtime)

    page = (await (await ask("ada")).get(QUALITY)).text

    assert "<b>93.1 %</b> <small>91 % to 95 %</small>" in page
    assert "+2.6 points from the audits" in page  # the error of the estimate without labels
    assert len(re.findall(r'class="mark"', page)) == 72 + 12
    assert re.findall(r'<th scope="row">(\w+)</th>', page) == ["bottle", "can", "carton", "cup", "foil"]
    assert "v3 is worse in the field than in its evaluation" in page
    assert "drifted</span>" in page


async def test_the_labels_of_another_model_are_chosen_by_its_name(ask: Ask, runtime: app.Runtime) -> None:
    await arrange(runtime)

    page = (await (await ask("ada")).get(f"{QUALITY}?model=v3")).text

    assert "By label, v3" in page
    assert "No label has labelled audits" in page


async def test_a_long_history_is_thinned(ask: Ask, runtime: app.Runtime) -> None:
    await arrange(runtime, hours=30 * 24)

    page = (await (await ask("ada")).get(QUALITY)).text

    assert 200 <= len(re.findall(r'class="mark"', page)) <= 260


async def test_the_overview_shows_the_newest_estimate_and_its_curve(ask: Ask, runtime: app.Runtime) -> None:
    await arrange(runtime)

    page = (await (await ask("ada")).get(PROJECT)).text

    assert "<b>93.1 %</b> 90.7 % to 95.2 %" in page
    assert "from 214 labelled audits" in page
    assert 'class="band"' in page
    assert "No estimate yet" not in page


async def test_a_project_without_counts_has_no_estimate(ask: Ask, runtime: app.Runtime) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session)

    assert "No estimate yet" in (await (await ask("ada")).get(QUALITY)).text


async def test_the_wished_precision_is_changed(served: httpx.AsyncClient, runtime: app.Runtime) -> None:
    await arrange(runtime)

    answer = await served.post(QUALITY, data={"version": "0", "quality_points": "2"})

    assert answer.status_code == 303
    async with roles.arranging(runtime)() as session:
        policy = (await session.scalars(select(tables.Policy))).one()
    assert policy.body["quality_points"] == 2
    assert 'name="quality_points" value="2.0"' in (await served.get(QUALITY)).text
