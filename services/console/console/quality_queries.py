"""The router's newest report on accuracy in the field, with the accuracy over time."""

from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from strop_contracts import control_quality as documents
from strop_contracts import tables

HISTORY = timedelta(days=30)
POINTS = 240
"""Points of a curve: of a longer history every second, third … one is shown, and the newest."""


async def report(session: AsyncSession, project: str) -> documents.Quality | None:
    """Return the report; None before devices have counted images."""
    found = await session.get(tables.QualityReport, project)
    return found.report.model_copy(update={"history": await _history(session, project)}) if found else None


async def _history(session: AsyncSession, project: str) -> list[documents.Point]:
    """Return the accuracy of each model on all labels and devices, the oldest first."""
    table = tables.QualityEstimate
    rows = await session.execute(
        select(table.model, table.at, table.estimate, table.low, table.high)
        .where(table.project == project, table.measure == "accuracy", table.label == "", table.device_group == "")
        .where(table.at > func.now() - HISTORY)
        .order_by(table.at)
    )
    points = [documents.Point(model=row[0], at=row[1], value=row[2], low=row[3], high=row[4]) for row in rows]
    hours = sorted({point.at for point in points}, reverse=True)
    shown = set(hours[:: -(-len(hours) // POINTS) or 1])
    return [point for point in points if point.at in shown]
