"""Each consumer accepts an event once."""

from collections.abc import Collection
from datetime import timedelta
from typing import cast

from sqlalchemy import String, Table, any_, bindparam, delete, func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncSession

from strop import db
from strop_contracts import tables

KEEP = timedelta(days=20)
"""How long a claim is remembered: longer than its message can come back, which is four days from a queue and then fourteen
from its dead-letter queue. Should a dead letter be retried still later whose work had been committed all the same, what it made has
keys of its own that are refused a second time."""

PRUNE_EVERY = 600.0
"""Seconds between looks for what may be forgotten."""

FORGET = 10_000
"""Claims deleted in one transaction: few, so that it is short."""


async def claim(session: AsyncSession, consumer: str, event_id: str) -> bool:
    """Claim the event in the caller's transaction; False when it was handled before.

    A simultaneous delivery waits here until the first one commits (then False) or rolls back (then True).
    """
    return bool(await claim_all(session, consumer, [event_id]))


async def claim_all(session: AsyncSession, consumer: str, event_ids: Collection[str]) -> set[str]:
    """Claim many at once, in one statement; returns those that were not handled before."""
    # In one order of rows, so that two consumers with the same messages never wait for each other in a circle.
    return set(await session.scalars(_CLAIM, {"consumer": consumer, "ids": sorted(set(event_ids))}))


async def claimed(session: AsyncSession, consumer: str, event_ids: Collection[str]) -> set[str]:
    """Return those of these events that were claimed before."""
    table = tables.Inbox
    ids = literal(list(event_ids), ARRAY(String))
    found = select(table.event_id).where(table.consumer == consumer, table.event_id == any_(ids))
    return set(await session.scalars(found))


_given = func.unnest(bindparam("ids", type_=ARRAY(String))).column_valued("event_id")
_CLAIM = (
    insert(cast(Table, tables.Inbox.__table__))
    .from_select(["consumer", "event_id"], select(bindparam("consumer", type_=String), _given))
    .on_conflict_do_nothing()
    .returning(tables.Inbox.event_id)
)


async def prune(make: db.Sessions) -> int:
    """Delete claims of events that cannot be delivered any more; returns how many. One process does it at a time."""
    forgotten = 0
    while True:
        async with db.tick(make, "inbox: prune") as session:
            if session is None:
                return forgotten
            gone = len((await session.scalars(_FORGET, {"most": FORGET})).all())
        forgotten += gone
        if gone < FORGET:
            return forgotten


_old = (
    select(tables.Inbox.consumer, tables.Inbox.event_id)
    .where(tables.Inbox.at < func.now() - KEEP)
    .limit(bindparam("most"))
)
_FORGET = (
    delete(tables.Inbox)
    .where(tuple_(tables.Inbox.consumer, tables.Inbox.event_id).in_(_old))
    .returning(tables.Inbox.consumer)
)
