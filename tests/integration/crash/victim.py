"""A service as a process of its own that is killed at a named point, and started again as a supervisor would."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from strop import app
from strop_contracts import topology
from tests import wait

PATIENCE = 100
"""Two starts of a process on a busy machine, the second after the crash."""


class Victim:
    """`died` is set once the process was killed at the point; another one runs then."""

    def __init__(self, runtime: app.Runtime, package: str, point: str, folder: Path, **env: str) -> None:
        settings = runtime.settings
        self._argv = [sys.executable, "-m", package]
        self._log = folder / "victim.log"
        self.died = asyncio.Event()
        self._env = os.environ | env | {
            "DATABASE_URL": settings.database_url,
            "STROP_BUCKET": settings.bucket,
            "STROP_QUEUE_PREFIX": settings.queue_prefix,
            "MQTT_URL": settings.mqtt_url,
            "STROP_MQTT_SHARED": str(int(settings.mqtt_shared)),
            "STROP_MQTT_CLIENT_ID": str(settings.mqtt_client_id),
            "STROP_PORT": "0",  # any
            "STROP_CRASH_AT": f"{point}@{folder / 'crashed'}",
        }  # fmt: skip

    async def live(self) -> None:
        """Run until cancelled; the first death is by SIGKILL and there is no other."""
        assert await self._once() == -signal.SIGKILL, self._log.read_text()
        self.died.set()
        code = await self._once()
        raise AssertionError(f"the second process ended with {code}:\n{self._log.read_text()}")

    async def _once(self) -> int:
        with self._log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(*self._argv, env=self._env, stdout=log, stderr=log)
        try:
            return await process.wait()
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()


@asynccontextmanager
async def killed(
    runtime: app.Runtime, package: str, point: str, folder: Path, **env: str
) -> AsyncIterator[asyncio.Event]:
    """Run the service; the event is set once it was killed at the point, and when the block ends it must have been."""
    victim = Victim(runtime, package, point, folder, **env)
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        living = group.create_task(victim.live())
        yield victim.died
        await victim.died.wait()
        living.cancel()


async def return_soon(runtime: app.Runtime, monkeypatch: pytest.MonkeyPatch, *services: str) -> None:
    """Let a message whose service died come back after two seconds instead of a minute."""
    monkeypatch.setattr(topology, "VISIBILITY", 2)
    await runtime.queues.create(services)
    monkeypatch.undo()


async def drained(runtime: app.Runtime, *services: str) -> None:
    """Wait until nothing is on its way any more: no row in the outbox, no message in the services' queues."""

    async def empty() -> bool:
        """The queues are asked twice, for what the relay takes from the outbox into one that was asked already."""
        return not await depth() and not await wait.outbox(runtime) and not await depth()

    async def depth() -> int:
        return sum([await runtime.queues.depth(service) for service in services])

    await until(empty)


async def until(look: Callable[[], Awaitable[bool]]) -> None:
    """Look again and again; `killed` ends it when that takes too long."""
    while not await look():
        await asyncio.sleep(0.05)
