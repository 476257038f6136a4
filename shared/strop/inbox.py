"""Each consumer accepts an event once."""

from collections.abc import Collection
from typing import cast

from sqlalchemy import String, Table, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncSession

from strop import models


async def claim(session: AsyncSession, consumer: str, event_id: str) -> bool:
    """Claim the event in the caller's transaction; False when it was handled before.

    A simultaneous delivery waits here until the first one commits (then False) or rolls back (then True).
    """
    return bool(await claim_all(session, consumer, [event_id]))


async def claim_all(session: AsyncSession, consumer: str, event_ids: Collection[str]) -> set[str]:
    """Claim many at once, in one statement; returns those that were not handled before."""
    # In one order of rows, so that two consumers with the same messages never wait for each other in a circle.
    return set(await session.scalars(_CLAIM, {"consumer": consumer, "ids": sorted(set(event_ids))}))


_given = func.unnest(bindparam("ids", type_=ARRAY(String))).column_valued("event_id")
_CLAIM = (
    insert(cast(Table, models.Inbox.__table__))
    .from_select(["consumer", "event_id"], select(bindparam("consumer", type_=String), _given))
    .on_conflict_do_nothing()
    .returning(models.Inbox.event_id)
)
