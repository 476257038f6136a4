"""What the router does on each event."""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from sqlalchemy.ext.asyncio import AsyncSession

from router import clearing, metrics, policies, queries, rules
from strop import app, consumer, outbox
from strop_contracts import errors, events, tables


async def on_captures_received(received: Sequence[events.CaptureReceived], session: AsyncSession) -> None:
    """Decide for each of these captures whether its image is uploaded."""
    wanted = {event.capture_id for event in received}
    captures = await queries.captures(session, wanted)
    errors.require_captures(wanted, [capture.id for capture in captures])
    # Projects in one order: two routers never deadlock.
    for project, announced in groupby(sorted(captures, key=attrgetter("project", "id")), attrgetter("project")):
        await _route(session, project, list(announced))


async def _route(session: AsyncSession, project: str, announced: Sequence[queries.Announced]) -> None:
    """Decide on one capture after the other: each sees what was decided before, here and by every other router.

    A decision that was made before stands, and is published again.
    """
    await queries.lock(session, project)
    before = await queries.routes(session, [each.id for each in announced])
    await outbox.add(session, *(_follows(project, each, before[each.id]) for each in announced if each.id in before))
    await _decide(session, project, [each for each in announced if each.id not in before])


async def _decide(session: AsyncSession, project: str, announced: Sequence[queries.Announced]) -> None:
    if not announced:
        return
    version, policy = await policies.newest(session, project)
    lately = await queries.lately(session, project, announced, policy)
    decided = []
    for each in announced:
        decision = rules.decide(each.captured, policy, lately.fleet(each.device, each.sha256))
        lately.count(each.device, each.sha256, decision)
        decided.append((each, decision))
    await queries.add_routes(session, project, version, decided)
    await outbox.add(session, *(_follows(project, each, decision) for each, decision in decided))
    for _, decision in decided:
        metrics.ROUTES.labels(project, decision.reason).inc()


def _follows(project: str, each: queries.Announced, decision: rules.Decision | tables.Route) -> events.Event:
    if decision.upload:
        return events.ImageRequested(project=project, capture_id=each.id, device=each.device)
    return events.ImageDeclined(project=project, capture_id=each.id, device=each.device, reason=decision.reason)


def table(runtime: app.Runtime) -> consumer.Handlers:
    return consumer.Handlers(
        batch={events.CaptureReceived: on_captures_received},
        long={events.ProjectDeleted: clearing.of(runtime).on_project_deleted},
    )
