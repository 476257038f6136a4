"""The demo's other processes: the platform (`strop up`, as anybody would start it) and the fleet."""

import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from strop_cli import envfile, tree
from strop_contracts import errors
from strop_devstack.demo.fleet import Figures, Spec
from strop_devstack.demo.images import Prepared

START = 120.0
"""Seconds the platform may take to be ready; a cold start of everything takes a few."""
STOP = 30.0


class Crashed(errors.StropError):
    """A process of the demo ended by itself; the message has the end of its log."""


def name_of(images: Path | None) -> str:
    """A folder name for images prepared from this source: another name, file or size, and they are prepared anew."""
    if images is None:
        return "rendered"
    files = [f"{path} {file.stat().st_size}" for path, file in tree.walk(images).files.items()]
    return f"{images.resolve().name}-{hashlib.sha256(chr(10).join(files).encode()).hexdigest()[:8]}"


def settings(prepared: Prepared) -> dict[str, str]:
    """What the demo sets otherwise than a real deployment: quick stages, and triggers that fit the number of images."""
    return {
        "STROP_TRAINER_MIN_LABELS": str(max(10, round(prepared.field * 0.2))),
        "STROP_TRAINER_DEBOUNCE": "6",
        "STROP_TRAINER_MAX_WAIT": "600",  # all labels that come without a pause count, also on a slow machine
        "STROP_TRAINER_COOLDOWN": "0",
        "STROP_DEPLOYER_STAGES": "[0.25, 1.0]",
        "STROP_DEPLOYER_SOAK": "5",
        "STROP_DEPLOYER_MIN_PREDICTIONS": "0",
        "STROP_DEPLOYER_STAGE_TIMEOUT": "60",
        "STROP_DEPLOYER_ONLINE_WINDOW": "15",
    }


def end_leftover(state: Path) -> None:
    """End the platform of an earlier demo that was killed: it runs on in a session of its own."""
    for process in psutil.process_iter(["cmdline"]):
        if process.info["cmdline"] and process.info["cmdline"][-5:] == _up(state)[-5:]:
            process.terminate()
            psutil.wait_procs([process], timeout=STOP)


def _up(state: Path) -> list[str]:
    return [sys.executable, "-m", "strop_cli", "up", "--state", str(state)]


@dataclass
class Platform:
    process: asyncio.subprocess.Process
    log: Path
    env: dict[str, str]

    def check(self) -> None:
        if self.process.returncode is not None:
            raise Crashed(
                f"the platform ended with code {self.process.returncode}; the end of {self.log}:\n{_tail(self.log)}"
            )


@asynccontextmanager
async def platform(state: Path, extra: dict[str, str]) -> AsyncIterator[Platform]:
    """Run `strop up`; ready once it has written `strop.env`."""
    state.mkdir(parents=True, exist_ok=True)
    log = state.parent / "platform.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *_up(state),
            env={**os.environ, **extra},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    running = Platform(process, log, {})
    try:
        async with asyncio.timeout(START):
            while not (state / "strop.env").exists():
                running.check()
                await asyncio.sleep(0.05)
        running.env = envfile.read(state / "strop.env")
        yield running
    finally:
        await _end(process)


@dataclass
class Fleet:
    process: asyncio.subprocess.Process
    log: Path
    figures: Figures = field(default_factory=Figures)

    async def read(self) -> None:
        assert self.process.stdout
        while line := await self.process.stdout.readline():
            self.figures = Figures.loads(line)

    def check(self) -> None:
        if self.process.returncode is not None:
            raise Crashed(
                f"the fleet ended with code {self.process.returncode}; the end of {self.log}:\n{_tail(self.log)}"
            )

    async def stop(self) -> dict[str, str]:
        """Stop all agents; every capture any of them ever spooled, with its last fate."""
        assert self.process.stdin
        self.process.stdin.write(b"stop\n")
        await self.process.stdin.drain()
        async with asyncio.timeout(60):
            await self.process.wait()
        while (journals := self.figures.journals) is None:
            await asyncio.sleep(0.05)
        return {capture: fate for journal in journals.values() for capture, fate in journal.items()}


@asynccontextmanager
async def fleet(state: Path, spec: Spec) -> AsyncIterator[Fleet]:
    """Run the agents in a process of their own."""
    file, log = state / "fleet.json", state / "fleet.log"
    spec.save(file)
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "strop_devstack.demo.fleet", str(file),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=output, start_new_session=True, limit=2**26,
        )  # fmt: skip
    running = Fleet(process, log)
    reading = asyncio.create_task(running.read())
    try:
        yield running
    finally:
        await _end(process)
        reading.cancel()


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP):
            await process.wait()
        return
    process.kill()
    await process.wait()


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
