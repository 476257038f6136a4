"""Each consumer accepts an event once."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncSession

from strop import app, inbox
from strop_contracts import tables


async def test_an_event_is_claimed_once_by_each_consumer(session: AsyncSession) -> None:
    assert await inbox.claim(session, "router", "1")
    assert not await inbox.claim(session, "router", "1")
    assert await inbox.claim(session, "router", "2")
    assert await inbox.claim(session, "trainer", "1")


async def test_a_claim_that_is_rolled_back_was_none(session: AsyncSession) -> None:
    await inbox.claim(session, "router", "1")
    await session.rollback()

    assert await inbox.claim(session, "router", "1")


async def test_a_simultaneous_claim_waits_for_the_first_to_end(runtime: app.Runtime) -> None:
    for ending, second_claims in ((AsyncSession.commit, False), (AsyncSession.rollback, True)):
        async with runtime.sessions() as first, runtime.sessions() as second:
            assert await inbox.claim(first, "router", ending.__name__)
            waiting = asyncio.create_task(inbox.claim(second, "router", ending.__name__))
            finished, _ = await asyncio.wait([waiting], timeout=0.3)

            assert not finished
            await ending(first)
            assert await waiting is second_claims


async def test_what_cannot_come_back_is_forgotten(
    runtime: app.Runtime, session: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "FORGET", 2)
    async with runtime.sessions.begin() as other:
        await inbox.claim_all(other, "router", ["1", "2", "3", "4", "5", "new"])
        await inbox.claim(other, "trainer", "1")
        old = update(tables.Inbox).where(tables.Inbox.event_id != "new", tables.Inbox.consumer == "router")
        await other.execute(old.values(at=func.now() - inbox.KEEP - timedelta(minutes=1)))

    assert await inbox.prune(runtime.sessions) == 5
    assert await inbox.prune(runtime.sessions) == 0

    assert not await inbox.claim(session, "router", "new")
    assert not await inbox.claim(session, "trainer", "1")
    assert await inbox.claim(session, "router", "1")


async def test_one_copy_forgets_at_a_time(runtime: app.Runtime) -> None:
    async with runtime.sessions.begin() as session:
        await inbox.claim_all(session, "router", [str(number) for number in range(100)])
        await session.execute(update(tables.Inbox).values(at=func.now() - inbox.KEEP - timedelta(minutes=1)))

    forgotten = await asyncio.gather(*(inbox.prune(runtime.sessions) for _ in range(3)))

    assert sum(forgotten) == 100
