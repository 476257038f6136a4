"""The deployer is killed: no second deployment, and every device is told in the end."""

from pathlib import Path

import pytest
from sqlalchemy import select

from strop import app, sqs
from strop_contracts import events, tables
from tests.integration.crash import victim
from tests.integration.deployer import lab as labs

FLEET = 4


async def answered(runtime: app.Runtime, fleet: list[labs.PahoDevice]) -> None:
    """Every device hears what it shall run, and has it."""
    for device in fleet:
        desired = await device.hears()
        answer = {"model": desired.model, "deployment_id": desired.deployment, "outcome": "installed"}
        event = events.DeviceReported.model_validate({"project": device.project, "device": device.name, **answer})
        assert not await runtime.queues.send("deployer", [sqs.Outgoing(event.dumps())])


@pytest.mark.parametrize("point", ["deployer:committed", "deployer:published"])
async def test_a_model_is_deployed_once_and_to_every_device(
    runtime: app.Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    await victim.return_soon(runtime, monkeypatch, "deployer")
    quick = {"STROP_DEPLOYER_TICK": "0.1", "STROP_DEPLOYER_STAGES": "[1.0]"}
    lab = labs.Lab(runtime, runtime.settings.bucket)
    async with lab.fleet(FLEET) as fleet, victim.killed(runtime, "deployer", point, tmp_path, **quick) as died:
        await lab.model(1)
        event = events.ModelApproved(project=lab.project, model_version=1)
        assert not await runtime.queues.send("deployer", [sqs.Outgoing(event.dumps())])
        await died.wait()
        await answered(runtime, fleet)

        async def succeeded() -> bool:
            return await lab.history() == [(1, "rollout", "succeeded")]

        await victim.until(succeeded)
        await victim.drained(runtime, "deployer")

    assert {row.state for row in (await lab.rows()).values()} == {"installed"}
    assert len(await lab.deployments()) == 1
    async with runtime.sessions() as session:
        assert len((await session.scalars(select(tables.DeploymentDevice))).all()) == FLEET
