"""Every service as a process of its own, kept alive: what `strop up --processes` runs."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from strop import grants
from strop_contracts import services
from strop_devstack.platform import probe
from strop_devstack.platform.server import Plan, Server
from strop_devstack.platform.stack import Stack

log = structlog.get_logger()

WEB = services.LABELING_QUEUE
"""The service at the port of the pages; they link to the other ones."""
_LOOK = 0.2  # seconds between two looks at a process
_FIRST_DELAY, _LAST_DELAY = 0.5, 30.0
_STEADY = 60.0
"""Seconds after which a service counts as working: when it ends later, it is restarted after the first delay."""


@asynccontextmanager
async def running(stack: Stack, port: int) -> AsyncIterator[dict[str, str]]:
    """Start every service, restart each that ends, and stop them in the same order.

    The pages are at `port`; the others have ports of their own, for health and metrics. Yields the URL of each service by its
    name.
    """
    servers: dict[str, Server] = {}
    try:
        for service in services.ALL:
            servers[service.name] = _start(stack, service, port)
        for server in servers.values():
            await asyncio.to_thread(server.await_answer)
        async with asyncio.TaskGroup() as group:
            keepers = [group.create_task(_keep(stack, servers, service, port)) for service in services.ALL]
            yield {name: f"http://127.0.0.1:{server.plan.env['STROP_PORT']}" for name, server in servers.items()}
            for keeper in keepers:
                keeper.cancel()
    finally:
        await asyncio.gather(*(asyncio.to_thread(_stop, server) for server in servers.values()))


async def _keep(stack: Stack, servers: dict[str, Server], service: services.Service, port: int) -> None:
    """Restart the service whenever it has ended, with exponential backoff while it does not become ready."""
    name = service.name
    delay, began = _FIRST_DELAY, time.monotonic()
    while True:
        while (code := servers[name].code) is None:
            await asyncio.sleep(_LOOK)
        stack.guard(servers[name])
        if time.monotonic() - began > _STEADY:
            delay = _FIRST_DELAY
        log.error("service_restarted", service=name, code=code, delay=delay)
        print(
            f"{name} ended with code {code}: it starts again in {delay:g} s. Its log: {servers[name].log}",
            flush=True,
        )
        await asyncio.sleep(delay)
        delay, began = min(2 * delay, _LAST_DELAY), time.monotonic()
        servers[name] = _start(stack, service, port)


def _start(stack: Stack, service: services.Service, port: int) -> Server:
    own = _port(stack, service, port)
    database = grants.url(stack.env()["DATABASE_URL"], service.role)
    pages = {
        f"STROP_{each.package.upper()}_URL": f":{_port(stack, each, port)}" for each in services.ALL if each.signs_in
    }
    argv, env = [sys.executable, "-m", service.package], pages | {"STROP_PORT": str(own), "DATABASE_URL": database}
    plan = Plan(service.package, argv, lambda: probe.http_ok(own, "/readyz", timeout=2), env=env)
    server = Server(plan, stack.state)
    stack.guard(server)
    return server


def _port(stack: Stack, service: services.Service, port: int) -> int:
    return port if service == WEB else stack.port(service.package)


def _stop(server: Server) -> None:
    server.stop()
    if server.code:
        log.error("service_stop_failed", service=server.plan.name, code=server.code)
