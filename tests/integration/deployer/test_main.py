import asyncio

import pytest
from sqlalchemy import select

from deployer import __main__ as deployer
from strop import app, sqs
from strop_contracts import events, tables
from strop_wire import messages
from tests import roles
from tests.integration.deployer import lab as labs


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROP_DEPLOYER_TICK", "0.05")


@pytest.mark.usefixtures("_quick")
async def test_the_service_rolls_a_model_out_in_two_stages_from_its_queue(
    lab: labs.Lab, runtime: app.Runtime, stop: asyncio.Event
) -> None:
    async with lab.fleet(4) as fleet, asyncio.TaskGroup() as group:
        service = deployer.build(runtime)
        for loop in service.loops:
            group.create_task(loop(stop))
        await lab.model(1)
        await send(runtime, events.ModelApproved(project=lab.project, model_version=1))
        agents = [group.create_task(agent(runtime, device)) for device in fleet]
        await asyncio.gather(*agents)
        while await lab.history() != [(1, "rollout", "succeeded")]:
            await asyncio.sleep(0.02)
        assert service.ready()
        stop.set()

    rows = await lab.rows()
    canary = next(row for row in rows.values() if row.stage == 0)
    assert canary.answered_at
    assert all(row.sent_at > canary.answered_at for row in rows.values() if row.stage == 1 and row.sent_at)
    async with roles.arranging(runtime)() as session:
        assert len(list(await session.scalars(select(tables.Inbox)))) == 5


async def agent(runtime: app.Runtime, device: labs.PahoDevice) -> None:
    desired: messages.Desired = await device.hears()
    answer = events.DeviceReported(
        project=device.project,
        device=device.name,
        model=desired.model,
        deployment_id=desired.deployment,
        outcome="installed",
    )
    await send(runtime, answer)


async def send(runtime: app.Runtime, event: events.Event) -> None:
    assert not await runtime.queues.send("deployer", [sqs.Outgoing(event.dumps(), None)])
