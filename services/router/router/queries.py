"""What the router reads and writes in Postgres. Nothing here commits."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Integer, Select, String, Uuid, and_, any_, func, literal, literal_column, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from router import rules
from strop import db
from strop_contracts import tables

HOUR = timedelta(hours=1)

Capture, Route = tables.Capture, tables.Route


@dataclass(frozen=True, slots=True)
class Announced:
    """A capture, as far as the router looks at it."""

    id: UUID
    project: str
    device: str
    sha256: str
    captured: rules.Captured


async def captures(session: AsyncSession, ids: Collection[UUID]) -> list[Announced]:
    """These captures, in no order; those that are unknown are left out."""
    judged = [getattr(Capture, name) for name in rules.Captured.__slots__]
    columns = select(Capture.id, Capture.project, Capture.device, Capture.sha256, *judged)
    found = await session.execute(columns.where(Capture.id == any_(literal(list(ids), ARRAY(Uuid)))))
    return [Announced(row[0], row[1], row[2], row[3], rules.Captured(*row[4:])) for row in found]


async def lock(session: AsyncSession, project: str, about: str = "routes") -> None:
    """Let one transaction at a time decide about this thing of a project; the commit opens it."""
    await db.lock(session, f"router:{project}:{about}")


async def routes(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, tables.Route]:
    """The decisions about these captures, by capture; those without one are left out."""
    found = await session.scalars(select(Route).where(Route.capture_id == any_(literal(list(ids), ARRAY(Uuid)))))
    return {route.capture_id: route for route in found}


async def lately(
    session: AsyncSession, project: str, announced: Sequence[Announced], policy: rules.Policy
) -> rules.Lately:
    """What was asked for before. Counting ends at the budget: more makes no difference."""
    wanted = set(await session.scalars(_wanted(project, {each.sha256 for each in announced})))
    devices = await session.execute(_by_device(project, {each.device for each in announced}, policy.device_per_hour))
    total = await session.scalar(_count(_uploads(project).limit(policy.fleet_per_hour)))
    return rules.Lately(wanted, Counter(dict(devices.all())), total or 0)


def _wanted(project: str, hashes: Collection[str]) -> Select[str]:
    """Those of the images that were asked for already, by whatever capture."""
    of_image = and_(Capture.project == project, Capture.sha256 == any_(literal(sorted(hashes), ARRAY(String))))
    return select(Capture.sha256).join(Route, and_(Route.capture_id == Capture.id, Route.upload)).where(of_image)


def _by_device(project: str, devices: Collection[str], budget: int) -> Select[str, int]:
    listed = func.unnest(literal(sorted(devices), ARRAY(String))).table_valued("device").render_derived()
    uploads = _uploads(project).where(Route.device == listed.c.device).limit(budget).correlate(listed)
    return select(listed.c.device, _count(uploads).scalar_subquery())


def _uploads(project: str) -> Select[int]:
    """Uploads within the last hour, audits not counted."""
    recent = Route.project == project, Route.at > func.now() - HOUR
    return select(literal_column("1", Integer)).where(*recent, Route.upload, Route.reason != literal_column("'audit'"))


def _count(rows: Select[int]) -> Select[int]:
    return select(func.count()).select_from(rows.subquery())


async def add_routes(
    session: AsyncSession, project: str, version: int, decided: Iterable[tuple[Announced, rules.Decision]]
) -> None:
    rows = [
        {
            "capture_id": each.id,
            "project": project,
            "device": each.device,
            "upload": decision.upload,
            "reason": decision.reason,
            "probability": decision.probability,
            "policy": version,
        }
        for each, decision in decided
    ]
    await db.insert_many(session, Route, rows)
