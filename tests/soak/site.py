"""A whole Strop on this machine as `strop up --processes` runs it, whose servers a test takes away under load."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from unittest import mock

from sqlalchemy import select

from strop import app
from strop.settings import Settings
from strop_cli import installation
from strop_contracts import keys, services, tables
from strop_devstack import processes
from strop_devstack.platform import ports, probe
from strop_devstack.platform.server import Server
from strop_devstack.platform.stack import Stack
from tests import factories, users
from tests.integration.trainer.lab import Lab

PACKAGES = tuple(service.package for service in services.ALL)
MIN_LABELS = 40
"""Labels that ask for the one training of a test; a cool-down of an hour rules out a second."""

QUICK = {
    "STROP_TRAINER_MIN_LABELS": str(MIN_LABELS),
    "STROP_TRAINER_DEBOUNCE": "1",
    "STROP_TRAINER_MAX_WAIT": "5",
    "STROP_TRAINER_COOLDOWN": "3600",
    "STROP_TRAINER_LEASE": "10",
    "STROP_DEPLOYER_STAGES": "[0.5, 1.0]",
    "STROP_DEPLOYER_SOAK": "0",
    "STROP_DEPLOYER_RESEND_AFTER": "5",
}


class Site:
    """The running platform and what a test needs of it."""

    def __init__(self, stack: Stack, runtime: app.Runtime, url: str, token: str) -> None:
        self.runtime, self.url, self.token = runtime, url, token
        self._stack = stack

    @asynccontextmanager
    async def without(self, name: str, how: signal.Signals = signal.SIGKILL) -> AsyncIterator[None]:
        """One of the servers (postgres, aws, mqtt) is away while the block runs, and starts again on its old state."""
        index = next(n for n, server in enumerate(self._stack._servers) if server.plan.name == name)
        old = self._stack._servers[index]
        old._process.send_signal(how)
        await asyncio.to_thread(old._process.wait)
        yield
        new = self._stack._servers[index] = Server(old.plan, self._stack.state)
        self._stack.guard(new)
        await asyncio.to_thread(new.await_answer)


@asynccontextmanager
async def running(folder: Path, devices: tuple[str, ...], *, apart: bool = True) -> AsyncIterator[Site]:
    """One project with these devices and a small base set; every service is a process of its own, or all run in this one."""
    with mock.patch.dict(os.environ), Stack(folder / "site") as stack:
        port = stack.port("web")
        os.environ.update(stack.env() | QUICK | {"STROP_TRAINER_CACHE": str(folder / "cache")})
        await asyncio.to_thread(installation.migrate, os.environ["DATABASE_URL"])
        try:
            async with app.runtime(Settings()) as runtime:
                await installation.create(runtime)
                async with runtime.sessions.begin() as session:
                    await factories.make_project(session, devices=devices)
                    token = await users.token(session, "ann", "api")
                await Lab(runtime, folder / "cache").base()
                await _base_files(runtime)
                async with processes.running(stack, port) if apart else _together(port):
                    yield Site(stack, runtime, f"http://127.0.0.1:{port}", token)
        finally:
            for server in reversed(stack._servers):  # those that were started again are unknown to the stack
                server.stop()


async def _base_files(runtime: app.Runtime) -> None:
    """Put the files of the base set where their rows say: rows without a file are removed by the sweep of the bucket."""
    async with runtime.sessions() as session:
        rows = (await session.scalars(select(tables.DatasetItem))).all()
    for row in rows:
        await runtime.storage.copy(keys.image(row.project, str(row.sha256)), row.key)


@asynccontextmanager
async def _together(port: int) -> AsyncIterator[None]:
    """All services in this process, where a test can interfere with their clients."""
    stop, ready = asyncio.Event(), asyncio.Event()
    builds = {service.name: import_module(f"{service.package}.__main__").build for service in services.ALL}
    async with asyncio.TaskGroup() as group:
        group.create_task(app.serve(Settings(port=port), builds, stop=stop, ready=ready))
        await ready.wait()
        yield
        stop.set()


@asynccontextmanager
async def second_copies(folder: Path) -> AsyncIterator[dict[str, int]]:
    """One more process of every service; their ports."""
    chosen, started = {package: ports.stable(folder / "site", f"{package}-2") for package in PACKAGES}, []
    with (folder / "copies.log").open("ab") as log:
        for package, port in chosen.items():
            env = os.environ | {"STROP_PORT": str(port)}
            argv = [sys.executable, "-m", package]
            started.append(await asyncio.create_subprocess_exec(*argv, env=env, stdout=log, stderr=log))
        try:
            for port in chosen.values():
                while not await asyncio.to_thread(probe.http_ok, port, "/readyz", 2):
                    await asyncio.sleep(0.1)
            yield chosen
        finally:
            for process in started:
                process.terminate()
            assert [await process.wait() for process in started] == [0] * len(started), (
                folder / "copies.log"
            ).read_text()


async def letters(runtime: app.Runtime) -> list[str]:
    """Why messages were given up, of those nobody has decided about."""
    async with runtime.sessions() as session:
        return list(await session.scalars(select(tables.DeadLetter.reason).where(tables.DeadLetter.state == "open")))
