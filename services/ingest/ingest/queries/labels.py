"""Labels of captures, as labeling-queue stores them."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from strop_contracts import tables


async def placed(session: AsyncSession, capture: UUID) -> tuple[str | None, str | None]:
    """Return the label of a capture, and the unknown one whose folder its file was moved to: it waits for a confirmation."""
    truth = await session.get(tables.GroundTruth, capture)
    filed = await session.get(tables.FiledLabel, capture)
    return truth.label if truth else None, filed.label if filed else None
