"""Each consumer accepts an event once."""

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from strop import models


async def claim(session: AsyncSession, consumer: str, event_id: str) -> bool:
    """Claim the event in the caller's transaction; False when it was handled before.

    A simultaneous delivery waits here until the first one commits (then False) or rolls back (then True).
    """
    statement = insert(models.Inbox).values(consumer=consumer, event_id=event_id).on_conflict_do_nothing()
    return (await session.execute(statement.returning(models.Inbox.event_id))).first() is not None
