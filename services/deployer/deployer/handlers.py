"""What happens on each event."""

from collections.abc import Sequence
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from deployer import answers, rollouts
from strop import consumer
from strop_contracts import events


async def on_model_approved(
    event: events.ModelApproved, session: AsyncSession, *, stages: Sequence[float], online_window: float
) -> None:
    await rollouts.start(session, event.project, event.model_version, stages, online_window)


async def on_device_reported(event: events.DeviceReported, session: AsyncSession) -> None:
    await answers.record_report(session, event)


def table(stages: Sequence[float], online_window: float) -> consumer.Handlers:
    return consumer.Handlers(
        one={
            events.ModelApproved: partial(on_model_approved, stages=stages, online_window=online_window),
            events.DeviceReported: on_device_reported,
        }
    )
