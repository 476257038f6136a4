"""What the router does on each event."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from router import policies, queries, rules
from strop import consumer, errors, events, metrics, models, outbox


async def on_capture_received(event: events.CaptureReceived, session: AsyncSession) -> None:
    """Decide whether the image of a capture is wanted, and say so."""
    capture = await session.get(models.Capture, event.capture_id)
    if capture is None:
        raise errors.InvalidMessage(f"there is no capture {event.capture_id}")
    version, policy = await policies.newest(session, capture.project)
    if not capture.audit:  # audits neither use a budget nor obey one
        await queries.lock(session, capture.project, f"device {capture.device}", f"image {capture.sha256}")
    fleet = await queries.fleet(session, capture, policy)
    if rules.contested(policy, fleet) and not capture.audit:
        await queries.lock(session, capture.project, "fleet")
        fleet = await queries.fleet(session, capture, policy)
    captured = rules.Captured(
        capture.reason,
        capture.audit,
        capture.audit_probability,
        capture.probability,
        capture.margin,
        capture.confidence,
    )
    decision = rules.decide(captured, policy, fleet)
    await queries.add_route(session, capture, version, decision)
    about = {"project": capture.project, "capture_id": capture.id, "device": capture.device}
    if decision.upload:
        await outbox.add(session, events.ImageRequested.model_validate(about))
    else:
        await outbox.add(session, events.ImageDeclined.model_validate({**about, "reason": decision.reason}))
    metrics.ROUTES.labels(capture.project, decision.reason).inc()


HANDLERS: Mapping[type[events.Event], consumer.Handler] = {events.CaptureReceived: on_capture_received}
