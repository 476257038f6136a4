"""What the router reads and writes in Postgres. Nothing here commits."""

from datetime import timedelta

from sqlalchemy import ScalarSelect, and_, func, literal, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession

from router import rules
from strop import models

HOUR = timedelta(hours=1)


async def lock(session: AsyncSession, project: str, *about: str) -> None:
    """Let one transaction at a time decide about each of these things of a project; the commit opens them."""
    names = [f"router:{project}:{thing}" for thing in about]
    await session.execute(select(*(func.pg_advisory_xact_lock(func.hashtextextended(name, 0)) for name in names)))


async def fleet(session: AsyncSession, announced: models.Capture, policy: rules.Policy) -> rules.Fleet:
    """What was asked for before, in one statement. Counting ends at the budget: more makes no difference."""
    route, other = models.Route, models.Capture
    duplicate = (
        select(other.id)
        .join(route, and_(route.capture_id == other.id, route.upload))
        .where(other.project == announced.project, other.sha256 == announced.sha256, other.id != announced.id)
        .exists()
    )
    of_device = _count(announced.project, policy.device_per_hour, announced.device)
    total = _count(announced.project, policy.fleet_per_hour)
    row = (await session.execute(select(duplicate, of_device, total))).one()
    return rules.Fleet(*row)


def _count(project: str, budget: int, device: str | None = None) -> ScalarSelect[int]:
    """Uploads within the last hour, audits not counted, up to `budget`."""
    route = models.Route
    wanted = select(literal(1)).where(
        route.project == project, route.at > func.now() - HOUR, route.upload, route.reason != literal_column("'audit'")
    )
    if device:
        wanted = wanted.where(route.device == device)
    return select(func.count()).select_from(wanted.limit(budget).subquery()).scalar_subquery()


async def add_route(session: AsyncSession, announced: models.Capture, version: int, decision: rules.Decision) -> None:
    session.add(
        models.Route(
            capture_id=announced.id,
            project=announced.project,
            device=announced.device,
            upload=decision.upload,
            reason=decision.reason,
            probability=decision.probability,
            policy=version,
        )
    )
