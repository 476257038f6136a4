"""Loops that run until the process stops, and the pauses between their rounds."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import structlog

log = structlog.get_logger()

Loop = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
"""Runs until the event is set, then finishes its current work and returns."""


async def pause(seconds: float, stop: asyncio.Event) -> None:
    """Wait for this many seconds, or until `stop` is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


@contextmanager
def isolated(**about: object) -> Iterator[None]:
    """Log an error of the body with these fields instead of raising it: what one project fails at does not stop the others."""
    try:
        yield
    except Exception:
        log.exception("tick_failed", **about)


def every(seconds: float, tick: Callable[[], Awaitable[object]]) -> Loop:
    """Make a loop that calls `tick` and pauses for `seconds`, in turn; a tick that fails is logged and tried again."""

    async def loop(stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await tick()
            except Exception:
                log.exception("tick_failed", tick=getattr(tick, "__qualname__", str(tick)))
            await pause(seconds, stop)

    return loop
