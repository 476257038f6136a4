"""What happens on each event."""

from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from deployer import answers, clearing, queries, rollouts, settings
from deployer.targets import base
from strop import app, consumer
from strop_contracts import events


async def on_model_approved(event: events.ModelApproved, session: AsyncSession, *, settings: settings.Settings) -> None:
    await rollouts.start(session, event.project, event.model_version, settings)


async def on_device_reported(event: events.DeviceReported, session: AsyncSession) -> None:
    await answers.record_report(session, event)


async def on_deployment_rolled_back(
    event: events.DeploymentRolledBack, *, runtime: app.Runtime, target: base.Target
) -> None:
    """Publish the event to those who follow the project; again if it is repeated."""
    await target.announce(event)
    async with runtime.sessions.begin() as session:
        await queries.announced(session, event.deployment_id)


def table(runtime: app.Runtime, own: settings.Settings, target: base.Target) -> consumer.Handlers:
    return consumer.Handlers(
        one={
            events.ModelApproved: partial(on_model_approved, settings=own),
            events.DeviceReported: on_device_reported,
        },
        long={
            events.DeploymentRolledBack: partial(on_deployment_rolled_back, runtime=runtime, target=target),
            events.ProjectDeleted: clearing.of(runtime).on_project_deleted,
        },
    )
