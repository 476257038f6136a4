"""The process that trains: it needs memory and both cores, and may die without taking the service along."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from strop import crash
from strop_contracts import documents


class Failed(Exception):
    """The run cannot succeed; the message says why."""


class Died(Exception):
    """The process was killed, by lack of memory perhaps: another attempt may do."""


async def run(
    folder: Path, job: dict[str, Any], tell: Callable[[documents.Progress], Awaitable[None]]
) -> dict[str, Any]:
    """Run `trainer.work` on the job; `tell` hears its progress. Failed with its own last words, Died by a signal."""
    spec, result = folder / "job.json", folder / "result.json"
    spec.write_text(json.dumps({**job, "parent": os.getpid()}))
    # A session of its own: Ctrl-C at a terminal is for the service, which then ends its child.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "trainer.work", str(spec), str(result),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout
    assert process.stderr
    words = asyncio.create_task(process.stderr.read())
    try:
        async for line in process.stdout:
            await tell(documents.Progress.model_validate_json(line))
            crash.point("trainer:working")
        code = await process.wait()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        said = (await words).decode(errors="replace").strip().splitlines()
    if code < 0:
        raise Died(f"the training process was killed by signal {-code}")
    if code:
        raise Failed(said[-1] if said else f"the training process ended with code {code}")
    return dict(json.loads(result.read_text()))
