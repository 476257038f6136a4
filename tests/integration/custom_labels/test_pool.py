"""Real worker processes: they answer, die, are replaced, multiply, and end."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from custom_labels.hosting import framing, pool
from tests import wait
from tests.unit.edge import packages


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return packages.package().write(tmp_path)


async def ticking(workers: pool.Pool) -> None:
    while True:
        workers.tick()
        await asyncio.sleep(0.02)


@pytest.fixture
async def started(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[pool.Pool]:
    """Units that are looked after; parameters: the least and the most."""
    workers = pool.Pool(folder, *getattr(request, "param", (1, 1)))
    looking = asyncio.create_task(ticking(workers))
    async with asyncio.timeout(wait.PATIENCE):
        await workers.ready.wait()
    yield workers
    looking.cancel()
    await workers.close()


async def running(workers: pool.Pool, count: int) -> list[pool.Worker]:
    async def look() -> list[pool.Worker]:
        return workers.running if len(workers.running) == count else []

    return await wait.until(look)


def best(answer: framing.Detection | framing.Refusal) -> str:
    """The label of the highest confidence, or the error of a refusal."""
    return answer["ranked"][0][0] if "ranked" in answer else answer["refused"]


async def test_a_bad_image_does_not_affect_the_answers_of_others(started: pool.Pool) -> None:
    said = await asyncio.gather(*(started.ask(body) for body in (packages.RED, b"no image", packages.GREEN)))

    assert tuple(map(best, said)) == ("red", "InvalidImageFormatException", "green")


async def test_a_unit_that_crashes_while_idle_is_replaced(started: pool.Pool) -> None:
    (first,) = started.running
    os.kill(first.pid, signal.SIGKILL)

    assert best(await started.ask(packages.RED)) == "red"
    assert [unit.pid for unit in started.running] != [first.pid]


async def test_the_image_of_a_crashed_unit_is_given_to_another_one(started: pool.Pool) -> None:
    (first,) = started.running
    os.kill(first.pid, signal.SIGSTOP)  # it has the image in hand, and never answers
    asked = asyncio.create_task(started.ask(packages.GREEN))
    await asyncio.sleep(0.05)
    os.kill(first.pid, signal.SIGKILL)

    assert best(await asked) == "green"


async def test_an_image_that_crashes_units_fails_after_two_attempts(
    started: pool.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "TRIES", 1)
    (first,) = started.running
    os.kill(first.pid, signal.SIGSTOP)
    asked = asyncio.create_task(started.ask(packages.GREEN))
    await asyncio.sleep(0.05)
    os.kill(first.pid, signal.SIGKILL)

    with pytest.raises(pool.Crashed, match="1 units crashed"):
        await asked
    assert best(await started.ask(packages.GREEN)) == "green"


@pytest.mark.parametrize("started", [(1, 2)], indirect=True)
async def test_requests_that_wait_bring_a_second_unit(started: pool.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "GROW", 0.05)
    (first,) = started.running
    os.kill(first.pid, signal.SIGSTOP)
    asked = [asyncio.create_task(started.ask(packages.RED)) for _ in range(3)]

    await running(started, 2)
    os.kill(first.pid, signal.SIGCONT)

    assert {best(said) for said in await asyncio.gather(*asked)} == {"red"}


@pytest.mark.parametrize("started", [(1, 2)], indirect=True)
async def test_a_unit_without_load_is_ended(started: pool.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    started._wanted = 2
    await running(started, 2)
    monkeypatch.setattr(pool, "SHRINK", 0.1)

    (left,) = await running(started, 1)

    assert left.alive
    assert best(await started.ask(packages.RED)) == "red"


async def test_too_many_requests_are_refused(started: pool.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "WAITING", 2)
    os.kill(started.running[0].pid, signal.SIGSTOP)
    asked = []
    for _ in range(3):  # one in hand, two wait
        asked.append(asyncio.create_task(started.ask(packages.RED)))
        await asyncio.sleep(0.02)

    with pytest.raises(pool.Busy):
        await started.ask(packages.RED)
    os.kill(started.running[0].pid, signal.SIGCONT)
    await asyncio.gather(*asked)


async def test_closing_answers_what_was_asked_and_ends_the_processes(started: pool.Pool) -> None:
    pids = [unit.pid for unit in started.running]
    asked = [asyncio.create_task(started.ask(packages.RED)) for _ in range(3)]
    await asyncio.sleep(0)

    await started.close()

    assert {best(said) for said in await asyncio.gather(*asked)} == {"red"}
    with pytest.raises(pool.Closed):
        await started.ask(packages.RED)
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_closing_has_a_time_limit(started: pool.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "CLOSING", 0.1)
    os.kill(started.running[0].pid, signal.SIGSTOP)
    asked = [asyncio.create_task(started.ask(packages.RED)) for _ in range(2)]
    await asyncio.sleep(0.05)

    await started.close()

    assert [type(each) for each in await asyncio.gather(*asked, return_exceptions=True)] == [pool.Closed] * 2


async def test_a_model_that_cannot_run_has_no_units_and_a_reason(folder: Path) -> None:
    (folder / "head.onnx").write_bytes(b"altered")
    workers = pool.Pool(folder, 1, 1)
    looking = asyncio.create_task(ticking(workers))

    async def failed() -> str | None:
        return workers.failed

    assert "head.onnx: sha256 is" in str(await wait.until(failed))
    looking.cancel()
    await workers.close()


async def test_units_that_crash_at_each_start_fail_the_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    monkeypatch.setattr(pool, "PAUSE", 0.01)
    workers = pool.Pool(folder, 1, 1)
    looking = asyncio.create_task(ticking(workers))

    async def failed() -> str | None:
        return workers.failed

    assert str(await wait.until(failed)).startswith("3 units ended while they started")
    looking.cancel()
    await workers.close()
