"""Each consumer accepts an event once."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncSession

from strop import app, inbox


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
