"""Every service as a process of its own, kept alive: what `strop up --processes` runs."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog

from strop_devstack.platform import probe
from strop_devstack.platform.server import Plan, Server
from strop_devstack.platform.stack import Stack

log = structlog.get_logger()

WEB = "labeling_queue"
"""The service with the pages."""
_LOOK = 0.2  # seconds between two looks at a process
_FIRST_DELAY, _LAST_DELAY = 0.5, 30.0
_STEADY = 60.0
"""A service that ran for so long had worked: when it dies, it starts again after the first delay."""


@asynccontextmanager
async def running(stack: Stack, packages: Sequence[str], port: int) -> AsyncIterator[dict[str, str]]:
    """Start the services, keep them alive, and ask them to stop in the same order: first who takes things in.

    The pages are at `port`; the others have ports of their own, for health and metrics. Yields the URL of each.
    """
    servers: dict[str, Server] = {}
    try:
        for package in packages:
            servers[package] = _start(stack, package, port)
        for server in servers.values():
            await asyncio.to_thread(server.await_answer)
        async with asyncio.TaskGroup() as group:
            keepers = [group.create_task(_keep(stack, servers, package, port)) for package in packages]
            yield {package: f"http://127.0.0.1:{server.plan.env['STROP_PORT']}" for package, server in servers.items()}
            for keeper in keepers:
                keeper.cancel()
    finally:
        await asyncio.gather(*(asyncio.to_thread(_stop, server) for server in servers.values()))


async def _keep(stack: Stack, servers: dict[str, Server], package: str, port: int) -> None:
    """Start the service again whenever it has ended, after a delay that grows while it does not get to work."""
    delay, began = _FIRST_DELAY, time.monotonic()
    while True:
        while (code := servers[package].code) is None:
            await asyncio.sleep(_LOOK)
        stack.guard(servers[package])
        if time.monotonic() - began > _STEADY:
            delay = _FIRST_DELAY
        log.error("service ended, starting it again", service=package, code=code, delay=delay)
        print(
            f"{package} ended with code {code}: it starts again in {delay:g} s. Its log: {servers[package].log}",
            flush=True,
        )
        await asyncio.sleep(delay)
        delay, began = min(2 * delay, _LAST_DELAY), time.monotonic()
        servers[package] = _start(stack, package, port)


def _start(stack: Stack, package: str, port: int) -> Server:
    own = port if package == WEB else stack.port(package)
    argv = [sys.executable, "-m", package]
    plan = Plan(package, argv, lambda: probe.http_ok(own, "/readyz", timeout=2), env={"STROP_PORT": str(own)})
    server = Server(plan, stack.state)
    stack.guard(server)
    return server


def _stop(server: Server) -> None:
    server.stop()
    if server.code:
        log.error("service did not stop cleanly", service=server.plan.name, code=server.code)
