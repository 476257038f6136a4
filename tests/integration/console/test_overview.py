"""The overview of a project: each part of the loop with its figures."""

import re

import httpx

from strop import app
from strop_contracts import tables
from tests import factories, judged, roles
from tests.e2e import fleet_rows
from tests.integration.console.conftest import Ask

PROJECT = f"/console/projects/{factories.PROJECT}"


def figures(page: str) -> list[str]:
    """The large figure of each part of the loop."""
    return [re.sub(r"<[^>]*>", "", each).strip() for each in re.findall(r'<p class="figure[^>]*>(.*?)</p>', page)]


async def test_a_fleet_at_work_is_counted_in_each_part_of_the_loop(ask: Ask, runtime: app.Runtime) -> None:
    async with roles.arranging(runtime).begin() as session:
        await fleet_rows.make(session, factories.PROJECT, devices=100, captures=240)
        await factories.make_model(session, 1)
        await factories.make_model(session, 2, state="undecided")

    page = (await (await ask("ada")).get(PROJECT)).text

    fleet, captures, uploads, labels, _, model = figures(page)
    assert (fleet, model) == ("100 devices", "v1 champion")
    assert 200 < int(captures.removesuffix(" in 24 h")) <= 240  # some were before the first hour
    assert 0 < int(uploads.removesuffix(" in 24 h")) < 240
    assert int(labels.removesuffix(" waiting")) > 0
    assert "v2</a> undecided" in page
    assert "97 reported in the last hour" in page


async def test_an_empty_project_states_what_comes_next(ask: Ask, runtime: app.Runtime) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session, devices=())

    page = (await (await ask("ada")).get(PROJECT)).text

    assert figures(page)[0] == "0 devices"
    assert "strop devices add" in page
    assert "No estimate yet" in page
    assert "STROP_CONTROL_URLS does not lead to the trainer." in page


async def test_the_triggers_of_the_trainer_are_shown_with_their_reasons(
    served: httpx.AsyncClient, runtime: app.Runtime
) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session)

    page = (await served.get(PROJECT)).text

    assert "0 <small>of 100 labels" in page
    assert "fewer than 100 new labels to learn from" in page


async def test_the_champions_evaluation_is_shown_as_one_of_a_fixed_test_set(ask: Ask, runtime: app.Runtime) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session)
        await factories.make_model(session, 1)
        await judged.add_evaluation(runtime, session, judged.SHOTS, factories.PROJECT, 1, "base")
        await judged.add_evaluation(runtime, session, judged.SHOTS[:4], factories.PROJECT, 1, "field")

    page = (await (await ask("ada")).get(PROJECT)).text

    assert "75.0 % (10 % to 90 %) of 4 held-out field images" in page
    assert "66.7 %" not in page  # of base images


async def test_failures_and_decisions_are_the_latest_events(ask: Ask, runtime: app.Runtime) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session)
        (await factories.make_model(session, 1, state="refused")).reasons = ["can: right less often"]
        session.add(
            tables.TrainingRun(project=factories.PROJECT, state="failed", trigger="labels", error="the disk is full")
        )

    page = (await (await ask("ada")).get(PROJECT)).text

    assert "the disk is full" in page
    assert "can: right less often" in page
