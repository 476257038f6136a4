"""What happens on each event."""

from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from deployer import answers, clearing, rollouts, settings
from strop import app, consumer
from strop_contracts import events


async def on_model_approved(event: events.ModelApproved, session: AsyncSession, *, settings: settings.Settings) -> None:
    await rollouts.start(session, event.project, event.model_version, settings)


async def on_device_reported(event: events.DeviceReported, session: AsyncSession) -> None:
    await answers.record_report(session, event)


def table(runtime: app.Runtime, own: settings.Settings) -> consumer.Handlers:
    return consumer.Handlers(
        one={
            events.ModelApproved: partial(on_model_approved, settings=own),
            events.DeviceReported: on_device_reported,
        },
        long={events.ProjectDeleted: clearing.of(runtime).on_project_deleted},
    )
