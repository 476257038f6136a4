"""What happens on each event."""

from collections.abc import Sequence
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from deployer import answers, clearing, rollouts, settings
from strop import app, consumer
from strop_contracts import events


async def on_model_approved(
    event: events.ModelApproved, session: AsyncSession, *, stages: Sequence[float], online_window: float
) -> None:
    await rollouts.start(session, event.project, event.model_version, stages, online_window)


async def on_device_reported(event: events.DeviceReported, session: AsyncSession) -> None:
    await answers.record_report(session, event)


def table(runtime: app.Runtime, own: settings.Settings) -> consumer.Handlers:
    return consumer.Handlers(
        one={
            events.ModelApproved: partial(on_model_approved, stages=own.stages, online_window=own.online_window),
            events.DeviceReported: on_device_reported,
        },
        long={events.ProjectDeleted: clearing.of(runtime).on_project_deleted},
    )
