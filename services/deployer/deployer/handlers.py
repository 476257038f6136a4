"""What happens on each event."""

from collections.abc import Sequence
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from deployer import metrics, queries, rollouts, rules
from strop import consumer
from strop_contracts import events


async def on_model_approved(
    event: events.ModelApproved, session: AsyncSession, *, stages: Sequence[float], online_window: float
) -> None:
    await rollouts.start(session, event.project, event.model_version, stages, online_window)


async def on_device_reported(event: events.DeviceReported, session: AsyncSession) -> None:
    """Count the answer. A repeat changes nothing, nor does one older than what is known: events have no order."""
    if not (found := await queries.followed(session, event.project, event.device)):
        return
    deployment, row = found
    answer = rules.answer(
        deployment.id,
        rules.model_name(deployment.model_version),
        answered=event.deployment_id,
        outcome=event.outcome,
        reason=event.reason,
        model=event.model,
    )
    if answer is None or (row.state, row.reason) == (answer.state, answer.reason):
        return
    if row.answered_at and row.answered_at > event.at:
        return
    metrics.DEPLOYMENT_ANSWERS.labels(event.project, answer.state).inc()
    row.state, row.reason, row.answered_at = answer.state, answer.reason, event.at


def table(stages: Sequence[float], online_window: float) -> consumer.Handlers:
    return consumer.Handlers(
        one={
            events.ModelApproved: partial(on_model_approved, stages=stages, online_window=online_window),
            events.DeviceReported: on_device_reported,
        }
    )
