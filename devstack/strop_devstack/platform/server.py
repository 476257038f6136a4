"""One child server: its process, its log, and the file by which a later start finds what a killed one left behind."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from strop_devstack.platform.errors import PlatformError
from strop_edge import disk

START_SECONDS = 60.0
STOP_SECONDS = 15.0
MISSES = 3
"""A busy machine may keep a server from answering once; so often in a row, it is broken."""


@dataclass(frozen=True)
class Plan:
    """How one server runs; the module named after it makes this, `Server` acts on it."""

    name: str
    argv: list[str]
    answers: Callable[[], bool]  # is it ready for work?
    stop_signal: signal.Signals = signal.SIGTERM
    wrapper: tuple[str, ...] = ()  # a program that changes what the server may do and then becomes it
    env: Mapping[str, str] = field(default_factory=dict)  # beside our own
    probed: Callable[[], str] = str  # what the probe behind `answers` prints, for the report of a failure


class Server:
    """A running plan. Logs go to `state/logs`, the pid file to `state/run`."""

    def __init__(self, plan: Plan, state: Path) -> None:
        self.plan = plan
        self.log = state / "logs" / f"{plan.name}.log"
        self._pid_file = state / "run" / f"{plan.name}.pid"
        self._missed = 0
        with self.log.open("ab") as log:
            self._process = self._spawn(log)
        record = {"pid": self._process.pid, "argv": plan.argv, "signal": int(plan.stop_signal)}
        disk.write(self._pid_file, json.dumps(record).encode())

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def await_answer(self) -> None:
        """Return when the server works; stop it and raise when it does not."""
        deadline = time.monotonic() + START_SECONDS
        while not self.plan.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                report = self._report("did not start")
                self.stop()
                raise PlatformError(report)
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(self.plan.stop_signal)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._pid_file.unlink(missing_ok=True)

    def failed(self) -> str | None:
        """Say what is wrong with the server, with the end of its log, or None. To be asked now and then."""
        if (code := self._process.poll()) is not None:
            return self._report(f"stopped with exit code {code}")
        self._missed = 0 if self.plan.answers() else self._missed + 1
        return self._report("does not answer") if self._missed >= MISSES else None

    def _spawn(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C in the terminal reaches only us, and we stop the servers in order.
        return subprocess.Popen(
            [*self.plan.wrapper, *self.plan.argv],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | dict(self.plan.env),
        )

    def _report(self, what: str) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-8:]
        probed = f" ({found})" if (found := self.plan.probed()) else ""
        return "\n".join(
            [f"{self.plan.name} {what}{probed}. The end of {self.log}:", *(f"    {line}" for line in lines)]
        )


def stop_leftovers(state: Path) -> None:
    """Stop the servers that an earlier, killed start left running on this folder."""
    found = list(filter(None, map(_leftover, (state / "run").glob("*.pid"))))
    for process, stop_signal in found:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(stop_signal)
    _, stubborn = psutil.wait_procs([process for process, _ in found], timeout=STOP_SECONDS)
    for process in stubborn:
        process.kill()
    psutil.wait_procs(stubborn, timeout=STOP_SECONDS)


def _leftover(pid_file: Path) -> tuple[psutil.Process, int] | None:
    """Return the process that the file names, and how to stop it, if it is still the same process.

    None for a damaged file too: only a power cut leaves one, and no server survives that. The pid may belong to another program by now, so the arguments must be the same too. The first is left out:
    it is the one that an interpreter may change on its way.
    """
    try:
        record = json.loads(pid_file.read_text())
        process = psutil.Process(record["pid"])
        if process.cmdline()[1:] == record["argv"][1:]:
            return process, record["signal"]
    except (psutil.Error, ValueError, KeyError, TypeError):
        return None
    return None
