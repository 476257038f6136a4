"""The inference units of one model: worker processes, the requests that wait for one, and how many there shall be.

A unit that crashes is restarted, and its current image is given to another one, once. Between the least and the
most number of units the load decides.
"""

import asyncio
import json
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import structlog

from custom_labels.hosting import framing

log = structlog.get_logger()

PATIENCE = 30.0
"""Seconds until an answer, or a loaded model, is not waited for any longer."""

CLOSING = 5.0
"""Seconds that requests in progress have when the units end."""

WAITING = 32
"""Requests that may wait for each unit; the next one is turned away."""

GROW, SHRINK = 1.0, 60.0
"""Seconds for which requests must have waited before a unit comes, and units been free before one goes."""

TRIES = 2
"""Attempts of an image: the second if the first unit crashes."""

PAUSE = 0.2
"""Seconds before a unit is started again whose start failed; twice as long each time."""

STARTS = 3
"""Starts that may fail one after the other."""


class CannotLoad(Exception):
    """The model cannot run; the message is the reason."""


class Crashed(Exception):
    """A unit ended in the middle of its work."""


class Busy(Exception):
    """More requests wait than the units can take."""


class Closed(Exception):
    """The units have ended, or are about to."""


class Worker:
    """One worker process, ready to answer."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, folder: Path) -> Self:
        """Start a process and wait until it has loaded the model; CannotLoad with its reason, Crashed if it ended without one."""
        # A session of its own: Ctrl-C at a terminal is for the service, which then ends its units.
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "custom_labels.hosting.worker", str(folder),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        unit = cls(process)
        try:
            first: framing.Loaded | framing.Broken = await unit._receive()
        except BaseException:
            await unit.end()
            raise
        if "failed" in first:
            await unit.end()
            raise CannotLoad(first["failed"])
        return unit

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ask(self, data: bytes) -> framing.Detection | framing.Refusal:
        """Classify one image; Crashed if no answer comes."""
        assert self._process.stdin
        with suppress(ConnectionError):  # then there is no answer either
            self._process.stdin.write(framing.HEADER.pack(len(data)))
            self._process.stdin.write(data)
            await self._process.stdin.drain()
        answer: framing.Detection | framing.Refusal = await self._receive()
        return answer

    async def _receive(self) -> Any:
        assert self._process.stdout
        try:
            async with asyncio.timeout(PATIENCE):
                (length,) = framing.HEADER.unpack(await self._process.stdout.readexactly(framing.HEADER.size))
                return json.loads(await self._process.stdout.readexactly(length))
        except (asyncio.IncompleteReadError, TimeoutError) as error:
            raise Crashed(f"unit {self.pid} ended, or has not answered for {PATIENCE:g} s") from error

    async def end(self) -> None:
        """End the process at once; its current request fails."""
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


@dataclass(eq=False, slots=True)
class _Request:
    data: bytes
    answer: asyncio.Future[framing.Detection | framing.Refusal]
    tries: int = 0


class Pool:
    """Answers with the units it has; `tick` now and then keeps up their number."""

    def __init__(self, folder: Path, least: int, most: int) -> None:
        self.ready = asyncio.Event()
        self.failed: str | None = None  # why the model cannot run
        self._folder, self._least, self._most = folder, least, most
        self._wanted = least
        self._waiting: asyncio.Queue[_Request | None] = asyncio.Queue()  # None: the unit that takes it ends
        self._workers: dict[asyncio.Task[None], Worker | None] = {}
        self._busy = 0
        self._bad_starts, self._next_start = 0, 0.0
        self._load, self._since = "eased", time.monotonic()
        self._closed = False

    @property
    def running(self) -> list[Worker]:
        """The units that can answer."""
        return [unit for unit in self._workers.values() if unit and unit.alive]

    async def ask(self, data: bytes) -> framing.Detection | framing.Refusal:
        """Classify an image with the next free unit; Busy, Closed or Crashed."""
        if self._closed:
            raise Closed
        if self._waiting.qsize() >= WAITING * self._wanted:
            raise Busy
        request = _Request(data, asyncio.get_running_loop().create_future())
        self._waiting.put_nowait(request)
        return await request.answer

    def tick(self) -> None:
        """Compare the number of units with the load: replace crashed units, start missing ones, end superfluous ones."""
        if self._closed or self.failed:
            return
        now = time.monotonic()
        self._weigh(now)
        for worker, unit in list(self._workers.items()):
            if unit and not unit.alive:
                worker.cancel()  # it waits for a request that it could not answer
        missing = self._wanted - len(self._workers)
        if missing > 0 and now >= self._next_start:
            for _ in range(missing):
                worker = asyncio.create_task(self._work())
                self._workers[worker] = None
                worker.add_done_callback(lambda done: self._workers.pop(done, None))

    def _weigh(self, now: float) -> None:
        load = "pressed" if self._waiting.qsize() else "full" if self._busy >= self._wanted else "eased"
        if load != self._load:
            self._load, self._since = load, now
        wanted = resize(self._wanted, load, now - self._since, self._least, self._most)
        if wanted == self._wanted:
            return
        log.info("units_scaled", wanted=wanted, load=load)
        if wanted < self._wanted:
            self._waiting.put_nowait(None)
        self._wanted, self._since = wanted, now

    async def _work(self) -> None:
        """The life of one unit."""
        if (unit := await self._start()) is None:
            return
        current = asyncio.current_task()
        assert current
        self._workers[current] = unit
        try:
            while request := await self._waiting.get():
                await self._answer(unit, request)
        except Crashed as error:
            log.warning("unit_crashed", folder=self._folder.name, error=str(error))
        finally:
            await unit.end()

    async def _start(self) -> Worker | None:
        try:
            unit = await Worker.start(self._folder)
        except CannotLoad as error:
            self.failed = str(error)
            return None
        except (Crashed, OSError) as error:
            self._bad_starts += 1
            self._next_start = time.monotonic() + PAUSE * 2**self._bad_starts
            log.warning("unit_start_failed", folder=self._folder.name, error=str(error))
            if self._bad_starts >= STARTS:
                self.failed = f"{STARTS} units ended while they started: {error}"
            return None
        self._bad_starts = 0
        self.ready.set()
        return unit

    async def _answer(self, unit: Worker, request: _Request) -> None:
        self._busy += 1
        try:
            answer = await unit.ask(request.data)
        except (Crashed, asyncio.CancelledError):  # cancelled: `tick` saw first that the unit is dead, or time is up
            request.tries += 1
            if request.tries < TRIES and not self._closed:
                self._waiting.put_nowait(request)
            elif not request.answer.done():
                request.answer.set_exception(
                    Closed() if self._closed else Crashed(f"{TRIES} units crashed at one image")
                )
            raise
        finally:
            self._busy -= 1
        if not request.answer.done():  # no caller waits for it any more
            request.answer.set_result(answer)

    async def close(self) -> None:
        """Take no more requests, finish those that wait, end the units."""
        self._closed = True
        for _ in self._workers:
            self._waiting.put_nowait(None)
        if workers := list(self._workers):
            _, late = await asyncio.wait(workers, timeout=CLOSING)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        while not self._waiting.empty():
            left = self._waiting.get_nowait()
            if left and not left.answer.done():
                left.answer.set_exception(Closed())


def resize(units: int, load: str, seconds: float, least: int, most: int) -> int:
    """How many units there shall be when the load has been so for so long.

    Load: "pressed" (requests wait), "full" (all units work), "eased" (some are free).
    """
    if load == "pressed" and seconds >= GROW:
        return min(units + 1, most)
    if load == "eased" and seconds >= SHRINK:
        return max(units - 1, least)
    return units
