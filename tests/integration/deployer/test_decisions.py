"""What people decide about a rollout, and what the deployer does between decisions."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from deployer import __main__ as deployer
from deployer import decisions
from strop import app
from strop_contracts import errors, states, tables
from tests import roles, users
from tests.integration.deployer import lab as labs
from tests.integration.deployer.lab import finish, turn

ROUTE = "/api/control/deployer/projects/{}/rollout"


@pytest.fixture
async def client(runtime: app.Runtime) -> AsyncIterator[httpx.AsyncClient]:
    async with roles.arranging(runtime).begin() as session:
        token = await users.token(session, "ada")
    web = app.web({"deployer": runtime}, {"deployer": deployer.build(runtime)})
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(web), base_url="http://strop", headers=headers
    ) as opened:
        yield opened


@pytest.fixture
def post(lab: labs.Lab, client: httpx.AsyncClient) -> Callable[[str], Any]:
    async def post(action: str) -> httpx.Response:
        return await client.post(f"{ROUTE.format(lab.project)}/{action}", json={"reason": f"because of {action}"})

    return post


@pytest.fixture
def show(lab: labs.Lab, client: httpx.AsyncClient) -> Callable[[], Any]:
    async def show() -> dict[str, Any]:
        newest: dict[str, Any] = (await client.get(ROUTE.format(lab.project))).json()["rollouts"][0]
        return newest

    return show


async def second(lab: labs.Lab, ticking: labs.Ticking, fleet: list[labs.PahoDevice]) -> None:
    """Roll out v1 and begin with v2: its canary has installed it."""
    await lab.approve(1)
    await finish(lab, ticking, fleet)
    await lab.approve(2)
    await turn(ticking)
    (canary,) = await lab.stage(fleet, 0)
    await lab.answers(canary, await canary.hears())


async def test_a_held_rollout_opens_no_stage_until_it_is_resumed(
    lab: labs.Lab, ticking: labs.Ticking, post: Any, show: Any
) -> None:
    async with lab.fleet(4) as fleet:
        await second(lab, ticking, fleet)
        assert (await post("hold")).status_code == 204
        await turn(ticking)
        held = await show()
        assert (held["stage"], held["held_by"], held["held_reason"]) == (1, "ada", "because of hold")

        assert (await post("resume")).status_code == 204
        await turn(ticking)

        resumed = await show()
        assert (resumed["stage"], resumed["held_by"]) == (2, None)
        assert [each["action"] for each in resumed["decisions"]] == ["hold", "resume"]


async def test_a_hold_of_a_person_outlasts_the_model_that_it_met(
    lab: labs.Lab, ticking: labs.Ticking, post: Any, show: Any
) -> None:
    async with lab.fleet(4) as fleet:
        await second(lab, ticking, fleet)
        await post("hold")
        await lab.approve(3)

        newest = await show()
        assert (newest["version"], newest["held_by"], newest["held_reason"]) == (3, "ada", "because of hold")


async def test_a_stage_that_soaks_waits_and_an_approval_opens_the_next(
    lab: labs.Lab, ticking: labs.Ticking, client: httpx.AsyncClient, post: Any, show: Any
) -> None:
    async with lab.fleet(4) as fleet:
        await client.patch(f"{ROUTE.format(lab.project)}/policy", json={"values": {"soak": "600"}})
        await second(lab, ticking, fleet)
        await turn(ticking)
        soaking = await show()
        assert soaking["stage"] == 1
        assert soaking["waits_for"].startswith("the end of its soak time, 20")

        assert (await post("approve")).status_code == 204

        assert (await show())["stage"] == 2
        assert (await post("approve")).status_code == 409


async def test_a_policy_that_wants_approval_waits_for_it(
    lab: labs.Lab, ticking: labs.Ticking, client: httpx.AsyncClient, show: Any
) -> None:
    async with lab.fleet(4) as fleet:
        await client.patch(f"{ROUTE.format(lab.project)}/policy", json={"values": {"approval": "first"}})
        await lab.approve(1)
        await turn(ticking)
        (canary,) = await lab.stage(fleet, 0)
        await lab.answers(canary, await canary.hears())
        await turn(ticking)

        assert (await show())["waits_for"] == "approval"


async def test_an_aborted_rollout_is_taken_back_in_the_name_of_the_user(
    lab: labs.Lab, ticking: labs.Ticking, post: Any, client: httpx.AsyncClient
) -> None:
    async with lab.fleet(4) as fleet:
        await second(lab, ticking, fleet)
        assert (await post("abort")).json() == {"version": 1}
        found = (await client.get(ROUTE.format(lab.project))).json()["rollouts"][1]

        assert (found["state"], found["ended_by"], found["reached"]) == ("rolled_back", "ada", 1)
        assert (await post("hold")).status_code == 409  # the way back is no rollout


async def test_a_hold_for_a_breach_needs_approval_which_waives_it(
    lab: labs.Lab, ticking: labs.Ticking, runtime: app.Runtime, post: Any, show: Any
) -> None:
    async with lab.fleet(4) as fleet:
        await second(lab, ticking, fleet)
        deployment = (await lab.deployments())[-1]
        async with runtime.sessions.begin() as session:
            await decisions.hold_back(session, deployment, states.AUTOMATIC, "labels")
        await turn(ticking)
        assert (await show())["stage"] == 1
        assert (await post("resume")).status_code == 409
        assert (await post("approve")).status_code == 204

        assert (await show())["stage"] == 2


async def test_a_policy_is_versioned_and_a_wrong_value_is_refused(lab: labs.Lab, client: httpx.AsyncClient) -> None:
    async with lab.fleet(1):
        policy = f"{ROUTE.format(lab.project)}/policy"
        values = {"stages": "0.1,1", "windows": "line=22:00-04:00 Europe/Berlin"}
        changed = (await client.patch(policy, json={"values": values})).json()
        shown = {each["name"]: each["value"] for each in changed["values"]}
        assert changed["version"] == 1
        assert (shown["stages"], shown["windows"]) == ("0.1,1", "line=22:00-04:00 Europe/Berlin")

        for wrong in ({"stages": "0.5"}, {"windows": "line=never"}, {"soak": "-1"}, {"colour": "1"}):
            assert (await client.patch(policy, json={"values": wrong})).status_code == 409


async def test_a_closed_window_delays_a_new_model_and_not_the_way_back(
    lab: labs.Lab, ticking: labs.Ticking, runtime: app.Runtime, client: httpx.AsyncClient, show: Any
) -> None:
    now = datetime.now(UTC)
    closed = f"line={now + timedelta(hours=2):%H:%M}-{now + timedelta(hours=3):%H:%M} UTC"
    async with lab.fleet(2) as fleet:
        await lab.approve(1, [1.0])
        await finish(lab, ticking, fleet)
        async with roles.arranging(runtime).begin() as session:
            await session.execute(update(tables.Device).values(device_group="line"))
        await client.patch(f"{ROUTE.format(lab.project)}/policy", json={"values": {"windows": closed}})
        await lab.approve(2, [1.0])
        await turn(ticking)
        await turn(ticking)
        assert {row.state for row in (await lab.rows()).values()} == {"waiting"}
        assert (await show())["waits_for"] == "the maintenance windows of line"

        await lab.roll_back()
        await turn(ticking)

        assert [(await device.hears()).model for device in fleet] == ["v1", "v1"]


async def test_without_a_rollout_there_is_nothing_to_decide(lab: labs.Lab, runtime: app.Runtime) -> None:
    async with lab.fleet(1), runtime.sessions.begin() as session:
        with pytest.raises(errors.Refused):
            await decisions.hold(session, lab.project, "ada", "why not")
