"""Test a model before the agent uses it: `python -m strop_edge.trial FOLDER THREADS SECONDS` loads and self-tests a package.

A model can hang or crash the process that loads it, and neither can be stopped from within. So the first time this happens in
a child process, which is killed at a deadline, when the agent stops, and when another model is wanted. A child that crashes is
tried again, because a full memory also ends processes; the count of tries is on the disk, so it holds when the whole
machine goes down.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from strop_edge import disk, manifest, model
from strop_wire import messages

DEADLINE = 300.0
"""Seconds to load a model and predict its samples; the slowest device needs about one minute."""
TRIES = 3
"""Attempts that may end without a result."""
LOOK_EVERY = 0.1
"""Seconds between two checks of the child."""

COUNT = "tries.json"

_passed: set[tuple[str, int]] = set()
"""Packages that passed in this process, by hash of model.json and threads: several agents in it share the result."""
_trying = threading.Lock()
"""Held during a trial: two at a time would take the memory of two models."""


def run(models: Path, folder: Path, file: messages.ModelFile, threads: int, check: Callable[[], None]) -> None:
    """Load and self-test the package in `folder`, whose model.json is `file`; return when it passed.

    BadModel when it did not, or has crashed TRIES times; OSError when the disk is the reason. `check` is called
    every LOOK_EVERY s and may raise to end the trial. `models` is where the tries are counted.
    """
    while not _trying.acquire(timeout=LOOK_EVERY):
        check()
    try:
        if (file.sha256, threads) not in _passed:
            _try(models / COUNT, folder, file.sha256, threads, check)
            _passed.add((file.sha256, threads))
    finally:
        _trying.release()


def _try(count: Path, folder: Path, sha256: str, threads: int, check: Callable[[], None]) -> None:
    reason = "the device or the agent stopped each time"
    for tries in range(_tries(count, sha256) + 1, TRIES + 1):
        disk.write(count, json.dumps({"sha256": sha256, "tries": tries}).encode())
        try:
            reason = _run(folder, threads, check)
        except Exception:  # a result; or another desired model, which is no fault of this one
            count.unlink(missing_ok=True)
            raise
        if not reason:
            count.unlink(missing_ok=True)
            return
    count.unlink(missing_ok=True)
    raise manifest.BadModel(f"ended {TRIES} times while it was loaded and tested: {reason}")


def _tries(count: Path, sha256: str) -> int:
    """Return how often a trial of this package began without a result."""
    try:
        data = json.loads(count.read_bytes())
        return int(data["tries"]) if data["sha256"] == sha256 else 0
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _run(folder: Path, threads: int, check: Callable[[], None]) -> str:
    """Run one child; returns why it ended without a result, or nothing when the model passed. -P: no modules of the current folder."""
    argv = [sys.executable, "-P", "-m", __name__, str(folder), str(threads), str(DEADLINE)]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True) as child:
        try:
            _wait(child, check)
        finally:
            child.kill()
        assert child.stdout
        output = child.stdout.read()
    if child.returncode < 0:
        return signal.strsignal(-child.returncode) or f"signal {-child.returncode}"
    return _result(output, child.returncode)


def _wait(child: subprocess.Popen[bytes], check: Callable[[], None]) -> None:
    deadline = time.monotonic() + DEADLINE
    while child.poll() is None:
        if time.monotonic() > deadline:
            raise manifest.BadModel(f"was not loaded and tested within {DEADLINE:g} s")
        check()
        with suppress(subprocess.TimeoutExpired):
            child.wait(LOOK_EVERY)


def _result(output: bytes, status: int) -> str:
    try:
        kind, reason = json.loads(output)
    except ValueError:
        return f"exit status {status}"
    if kind == "disk":
        raise OSError(reason)
    if kind == "failed":
        raise manifest.BadModel(reason)
    return ""


# --- in the child ---


def main(folder: Path, threads: int, seconds: float) -> None:
    """Print the result as JSON: its kind (passed, failed, disk) and a reason."""
    signal.alarm(int(seconds) + 5)  # also if the agent has ended
    with suppress(OSError):  # not on Linux: when memory runs out, this process shall end rather than the agent
        Path("/proc/self/oom_score_adj").write_text("1000")
    # Whatever a library prints must not get into the result.
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as answer:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        json.dump(_test(folder, threads), answer)


def _test(folder: Path, threads: int) -> tuple[str, str]:
    try:
        model.Model(folder, threads).self_test()
    except manifest.BadModel as error:
        return "failed", str(error)
    except OSError as error:
        return "disk", str(error)
    except Exception as error:  # noqa: BLE001 - a package can make a library raise anything
        return "failed", f"{type(error).__name__}: {error}"
    return "passed", ""


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
