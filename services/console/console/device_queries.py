"""What the page of one device reads, beside the list of the fleet: its counts by hour, its installations, its captures."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from strop_contracts import tables

HOURS = 48
INSTALLS = 10
"""Deployments of the project that are searched for the device."""
CAPTURES = 24


@dataclass(frozen=True)
class Hour:
    """What a device counted in one hour (UTC)."""

    at: datetime
    classified: int = 0
    low: int = 0
    rejected: int = 0
    failed: int = 0


async def hours(session: AsyncSession, project: str, device: str) -> list[Hour]:
    """Return the last 48 hours, the oldest first; hours without a report have zeros."""
    table = tables.UsageHour
    last = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    every = [last - timedelta(hours=HOURS - 1 - number) for number in range(HOURS)]
    sums = [func.sum(column) for column in (table.classified, table.low, table.rejected, table.failed)]
    rows = await session.execute(
        select(table.hour, *sums)
        .where(table.project == project, table.device == device, table.hour >= every[0])
        .group_by(table.hour)
    )
    found = {row[0]: Hour(row[0], *map(int, row[1:])) for row in rows}
    return [found.get(hour, Hour(hour)) for hour in every]


async def installs(session: AsyncSession, project: str, device: str) -> Sequence[Row[Any]]:
    """Return the device's part in the newest deployments of the project, the newest first."""
    deployment, own = tables.Deployment, tables.DeploymentDevice
    newest = (
        select(deployment.id, deployment.model_version, deployment.kind, deployment.at)
        .where(deployment.project == project)
        .order_by(deployment.at.desc())
        .limit(INSTALLS)
        .subquery()
    )
    rows = await session.execute(
        select(newest, own.state, own.stage, own.reason, own.answered_at)
        .join(own, (own.deployment_id == newest.c.id) & (own.device == device))
        .order_by(newest.c.at.desc())
    )
    return rows.all()


async def captures(session: AsyncSession, project: str, device: str) -> Sequence[Any]:
    """Return the latest captures with the fate of the image and the agreed label, the newest first."""
    capture, upload, truth = tables.Capture, tables.Upload, tables.GroundTruth
    rows = await session.execute(
        select(
            capture.id, capture.at, capture.sha256, capture.label, capture.confidence, capture.reason, capture.audit,
            upload.state, upload.reason.label("why"), truth.label.label("truth"), truth.author,
        )
        .outerjoin(upload, upload.capture_id == capture.id)
        .outerjoin(truth, truth.capture_id == capture.id)
        .where(capture.project == project, capture.device == device)
        .order_by(capture.at.desc())
        .limit(CAPTURES)
    )  # fmt: skip
    return rows.all()
