"""Training runs whose child process or trainer is killed."""

import asyncio
import os
import signal
import sys

import pytest
from sqlalchemy import update

from strop_contracts import tables
from tests import roles, wait
from tests.integration.trainer import lab as labs
from trainer import child, triggers


async def test_a_run_that_keeps_crashing_is_given_up(lab):
    await lab.base()
    asked = await lab.ask()
    async with roles.arranging(lab.runtime).begin() as session:
        await session.execute(update(tables.TrainingRun).values(attempts=lab.settings.attempts))

    await lab.runs.carry_out(asked)

    run = await lab.run(asked.run_id)
    assert (run.state, run.error) == ("failed", "given up after 3 attempts that crashed")


async def working(lab, run_id):
    """Wait until the child has told something."""
    async with asyncio.timeout(60):
        while not (await lab.run(run_id)).progress.total:
            await asyncio.sleep(0.02)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:  # noqa: PTH123 - not a file on a disk
        return [int(word) for word in file.read().split()]


async def test_a_child_that_is_killed_leaves_the_run_to_another_attempt(lab):
    await lab.base()
    asked = await lab.ask()
    before = set(children(os.getpid()))
    training = asyncio.create_task(lab.runs.carry_out(asked))
    await working(lab, asked.run_id)
    (pid,) = set(children(os.getpid())) - before

    os.kill(pid, signal.SIGKILL)

    with pytest.raises(ExceptionGroup) as raised:
        await training
    assert raised.group_contains(child.Died, match="killed by signal 9")
    assert (await lab.run(asked.run_id)).state == "running"
    await labs.take_over(lab, asked.run_id)


async def trainer_process(lab, log):
    """The service as a process of its own, with a short lease."""
    settings = lab.runtime.settings
    env = {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "STROP_BUCKET": settings.bucket,
        "STROP_QUEUE_PREFIX": settings.queue_prefix,
        "STROP_PORT": "0",
        "STROP_TRAINER_CACHE": str(lab.settings.cache),
        "STROP_TRAINER_LEASE": "8",
        "STROP_TRAINER_TICK": "0.2",
    }
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(sys.executable, "-m", "trainer", env=env, stderr=output)


async def test_a_killed_trainer_loses_no_run_and_makes_no_second_model(lab, tmp_path):
    """Kill -9 in the middle of the work, then start again."""
    await lab.base()
    async with lab.runtime.sessions.begin() as session:
        run_id = await triggers.by_hand(session, labs.PROJECT)
    log = tmp_path / "trainer.log"
    killed = await trainer_process(lab, log)
    await working(lab, run_id)
    killed.kill()
    await killed.wait()
    assert (await lab.run(run_id)).state == "running"

    second = await trainer_process(lab, log)
    try:
        async with asyncio.timeout(90):
            while (await lab.run(run_id)).state != "succeeded":
                assert second.returncode is None, log.read_text()
                await asyncio.sleep(0.05)
    finally:
        second.terminate()
        await wait.within(second.wait(), 30)

    assert second.returncode == 0
    assert (await lab.run(run_id)).attempts == 2
    assert [model.version for model in await lab.all(tables.ModelVersion)] == [1]
    assert list((lab.settings.cache / "runs").iterdir()) == []
