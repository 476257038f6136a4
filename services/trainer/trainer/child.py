"""The process that trains: it needs memory and both cores, and may die without taking the service along."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from strop import crash
from strop_contracts import documents
from trainer import jobs

Outcome = TypeVar("Outcome", bound=jobs.Judged)


class Failed(Exception):
    """The run cannot succeed; the message is the reason."""


class Died(Exception):
    """The process was killed, by lack of memory perhaps: another attempt may do."""


async def run(
    folder: Path, job: jobs.Job, tell: Callable[[documents.Progress], Awaitable[None]], kind: type[Outcome]
) -> Outcome:
    """Run `trainer.training` on the job, which gives a result of this kind; `tell` receives its progress. Failed with its last line, Died by a signal or if another attempt may do."""
    spec, result = folder / "job.json", folder / "result.json"
    spec.write_text(job.model_copy(update={"parent": os.getpid()}).model_dump_json())
    # A session of its own: Ctrl-C at a terminal is for the service, which then ends its child. -P: no modules of the current folder.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "trainer.training", str(spec), str(result),
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
        output = (await words).decode(errors="replace").strip().splitlines()
    if code < 0:
        raise Died(f"the training process was killed by signal {-code}")
    if code == jobs.TRY_AGAIN:
        raise Died(output[-1] if output else "the training process could not go on")
    if code:
        raise Failed(output[-1] if output else f"the training process ended with code {code}")
    return kind.model_validate_json(result.read_bytes())
