"""Pauses between the rounds of a loop."""

import asyncio

import pytest

from strop import loops


async def test_a_cancellation_at_the_moment_of_the_stop_is_not_lost() -> None:
    stop = asyncio.Event()
    pausing = asyncio.create_task(loops.pause(60, stop))
    await asyncio.sleep(0)
    stop.set()
    await asyncio.sleep(0)
    cancelled = pausing.cancel()

    if cancelled:
        with pytest.raises(asyncio.CancelledError):
            await pausing
