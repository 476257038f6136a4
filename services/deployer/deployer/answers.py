"""Records what became of a device's order, whether ingest or the target reports it. Nothing here commits."""

from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from deployer import metrics, queries, rules
from deployer.targets import base
from strop_contracts import events, tables


async def record_report(session: AsyncSession, event: events.DeviceReported) -> None:
    """Record a device's report. A repeat changes nothing, nor does one older than what is known: events have no order."""
    if not (followed := await queries.followed(session, event.project, event.device)):
        return
    deployment, row = followed
    answer = rules.answer(
        deployment.id,
        rules.model_name(deployment.model_version),
        answered=event.deployment_id,
        outcome=event.outcome,
        reason=event.reason,
        model=event.model,
    )
    if answer:
        _record(row, answer, event.at)


async def record_outcome(session: AsyncSession, outcome: base.Outcome) -> None:
    """Record what a target observed, unless the device follows another deployment by now."""
    assignment = outcome.assignment
    followed = await queries.followed(session, assignment.project, assignment.device)
    if followed and followed[0].id == assignment.deployment_id:
        _record(followed[1], rules.Answer(outcome.state, outcome.reason), datetime.now(UTC))


def _record(row: tables.DeploymentDevice, answer: rules.Answer, at: datetime) -> None:
    if (row.state, row.reason) == (answer.state, answer.reason) or (row.answered_at and row.answered_at > at):
        return
    metrics.DEPLOYMENT_ANSWERS.labels(row.project, answer.state).inc()
    row.state, row.reason, row.answered_at = answer.state, answer.reason, at
