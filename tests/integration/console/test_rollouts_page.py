"""The page of rollouts, with the deployer that decides behind its buttons."""

import httpx
from sqlalchemy import select

from strop import app
from strop_contracts import tables
from tests import factories, roles
from tests.e2e import fleet_rows
from tests.integration.console.conftest import Ask

ROLLOUTS = f"/console/projects/{factories.PROJECT}/rollouts"


async def arrange(runtime: app.Runtime, held_by: str = "strop") -> None:
    async with roles.arranging(runtime).begin() as session:
        await fleet_rows.make(session, factories.PROJECT, devices=40, captures=10)
        for version in (2, 3):
            await factories.make_model(session, version)
        await fleet_rows.add_rollout(session, factories.PROJECT, **{**fleet_rows.HELD, "held_by": held_by})


async def test_stages_checks_and_the_hold_of_a_rollout_are_shown(
    served: httpx.AsyncClient, runtime: app.Runtime
) -> None:
    await arrange(runtime)

    page = (await served.get(ROLLOUTS)).text

    assert "Held by Strop:</b> Label mix: harm was found" in page
    assert "2 of 2 installed" in page
    assert "Predictions of can: 21.3% before" in page
    assert page.index("harm</span>") < page.index("no harm</span>")
    assert page.count('class="pair"') == 3  # not of the check that has too little data
    assert "/decide/resume" not in page  # harm that was found needs an approval


async def test_a_decision_is_stored_with_person_and_reason(served: httpx.AsyncClient, runtime: app.Runtime) -> None:
    await arrange(runtime, held_by="bo")

    answer = await served.post(f"{ROLLOUTS}/decide/resume", data={"reason": " a new camera "})

    assert answer.status_code == 303
    async with roles.arranging(runtime)() as session:
        (made,) = await session.scalars(select(tables.RolloutDecision))
    assert (made.action, made.by, made.reason) == ("resume", "ada", "a new camera")
    assert "Resume by ada, stage 2" in (await served.get(ROLLOUTS)).text


async def test_without_a_reason_the_rollout_does_not_change(served: httpx.AsyncClient, runtime: app.Runtime) -> None:
    await arrange(runtime)

    answer = await served.post(f"{ROLLOUTS}/decide/abort", data={"reason": " "})

    assert (answer.status_code, "Give a reason" in answer.text) == (409, True)
    async with roles.arranging(runtime)() as session:
        assert (await session.scalars(select(tables.Deployment.state))).all() == ["running"]


async def test_a_value_of_the_rollout_policy_is_changed(served: httpx.AsyncClient, runtime: app.Runtime) -> None:
    await arrange(runtime)

    answer = await served.post(f"{ROLLOUTS}/policy", data={"version": "0", "soak": "60"})
    stale = await served.post(f"{ROLLOUTS}/policy", data={"version": "0", "soak": "70"})

    assert (answer.status_code, stale.status_code) == (303, 409)
    assert 'name="soak" value="60"' in stale.text


async def test_a_project_without_rollouts_states_it(served: httpx.AsyncClient, runtime: app.Runtime) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session)

    assert "No rollout yet" in (await served.get(ROLLOUTS)).text


async def test_without_the_deployer_the_page_gives_the_reason(ask: Ask, runtime: app.Runtime) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session)

    page = (await (await ask("ada")).get(ROLLOUTS)).text

    assert "STROP_CONTROL_URLS does not lead to the deployer." in page
