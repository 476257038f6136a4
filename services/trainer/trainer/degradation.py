"""What the router has measured of the champion in the field."""

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from strop_contracts import tables


async def of_champion(session: AsyncSession, project: str, best: tables.ModelVersion | None) -> str | None:
    """Return the champion's version if it became worse in the field after the last training started."""
    run, state = tables.TrainingRun, tables.QualityModel
    started = select(func.max(run.started_at)).where(
        run.project == project, run.judges.is_(None), run.manifest.is_(None)
    )
    wanted = select(state.model).where(
        state.project == project,
        state.model == f"v{best.version if best else 0}",
        state.degraded_at > func.coalesce(started.scalar_subquery(), text("'-infinity'::timestamptz")),
    )
    found: str | None = await session.scalar(wanted)
    return found
