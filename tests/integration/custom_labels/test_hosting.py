"""Models start, answer, survive restarts and kills, and stop: on request and by themselves."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from custom_labels.hosting import pool, reconciler
from custom_labels.settings import Settings
from strop import app
from strop_contracts import tables
from tests import roles, wait
from tests.integration.custom_labels import colours
from tests.integration.custom_labels.colours import Colours
from tests.integration.custom_labels.conftest import Bucket, Rekognition
from tests.unit.edge import packages


@pytest.fixture
async def lab(runtime: app.Runtime, rekognition: Rekognition, bucket: Bucket) -> Colours:
    made = Colours(runtime, rekognition, bucket)
    await made.project()
    return made


async def running(lab: Colours, least: int = 1, **options: Any) -> str:
    arn = await lab.trained()
    await lab.rekognition.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=least, **options)
    await lab.reaches(arn, "RUNNING")
    return arn


async def detect(lab: Colours, arn: str, body: bytes = packages.RED, **options: Any) -> dict[str, float]:
    answer = await lab.rekognition.detect_custom_labels(ProjectVersionArn=arn, Image={"Bytes": body}, **options)
    return {label["Name"]: label["Confidence"] for label in answer["CustomLabels"]}


async def test_a_model_starts_answers_and_stops(lab: Colours) -> None:
    arn = await lab.trained()

    started = time.monotonic()
    answer = await lab.rekognition.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=1)
    assert answer["Status"] == "STARTING"
    waiter = lab.rekognition.client.get_waiter("project_version_running")
    quick = {"Delay": 0.05, "MaxAttempts": 400}
    await asyncio.to_thread(waiter.wait, ProjectArn=lab.arn, VersionNames=["1"], WaiterConfig=quick)

    described = await lab.version(arn)
    assert (described["Status"], described["MinInferenceUnits"]) == ("RUNNING", 1)
    assert "MaxInferenceUnits" not in described
    assert time.monotonic() - started < wait.PATIENCE
    assert max(found := await detect(lab, arn), key=lambda name: found[name]) == "red"
    assert list(await detect(lab, arn, packages.GREEN)) == ["green"]

    assert (await lab.rekognition.stop_project_version(ProjectVersionArn=arn))["Status"] == "STOPPING"
    stopped = await lab.reaches(arn, "STOPPED")
    assert stopped["StatusMessage"] == "Stopped on request."
    said = await lab.rekognition.fails("detect_custom_labels", ProjectVersionArn=arn, Image={"Bytes": packages.RED})
    assert (
        said == "ResourceNotReadyException: The project version is STOPPED, not RUNNING: StartProjectVersion starts it."
    )


async def test_a_stopped_model_starts_again(lab: Colours) -> None:
    arn = await running(lab)
    await lab.rekognition.stop_project_version(ProjectVersionArn=arn)
    await lab.reaches(arn, "STOPPED")

    await lab.rekognition.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=2, MaxInferenceUnits=3)
    described = await lab.reaches(arn, "RUNNING")

    assert (described["MinInferenceUnits"], described["MaxInferenceUnits"]) == (2, 3)
    assert list(await detect(lab, arn)) == ["red"]


async def test_an_idle_model_is_stopped_with_a_status_message(lab: Colours, runtime: app.Runtime) -> None:
    arn = await running(lab)
    async with roles.arranging(runtime).begin() as session:
        long_ago = {"started_at": tables.ProjectVersion.started_at - timedelta(hours=2)}
        await session.execute(update(tables.ProjectVersion).values(long_ago))

    stopped = await lab.reaches(arn, "STOPPED")

    assert stopped["StatusMessage"] == "Stopped by itself: there was no request for 3600 s."


async def test_an_impossible_start_or_stop_is_an_error_with_its_reason(lab: Colours) -> None:
    trained, fail = await lab.trained(), lab.rekognition.fails
    failed = await colours.add_version(lab.runtime, "failed", status="TRAINING_FAILED", files={})
    busy = await colours.add_version(lab.runtime, "busy", status="TRAINING_IN_PROGRESS", files={})

    async def start(arn: str, **units: int) -> str:
        return (await fail("start_project_version", ProjectVersionArn=arn, **{"MinInferenceUnits": 1, **units}))[:40]

    assert (await start(failed)).startswith("InvalidParameterException: The version i")
    assert (await start(busy)).startswith("ResourceInUseException")
    assert (await start(trained, MinInferenceUnits=6)).startswith("LimitExceededException")
    assert (await start(trained, MinInferenceUnits=2, MaxInferenceUnits=1)).startswith("InvalidParameterException")
    assert (await start(trained[:-1] + "x")).startswith("InvalidParameterException")
    assert (await start(trained[:-1] + str((int(trained[-1]) + 1) % 10))).startswith("ResourceNotFoundException")
    for arn in (trained, failed, busy):
        said = await fail("stop_project_version", ProjectVersionArn=arn)
        assert said.startswith("ResourceInUseException: The version is")


async def test_a_running_model_can_be_neither_started_nor_deleted(lab: Colours) -> None:
    arn, fail = await running(lab), lab.rekognition.fails

    again = await fail("start_project_version", ProjectVersionArn=arn, MinInferenceUnits=1)
    gone = await fail("delete_project_version", ProjectVersionArn=arn)

    assert again == "ResourceInUseException: The version is RUNNING: it cannot be started now."
    assert gone == "ResourceInUseException: The version is RUNNING: stop it first."
    assert list(await detect(lab, arn)) == ["red"]


async def test_a_model_with_missing_or_wrong_files_fails_with_the_reason(lab: Colours) -> None:
    arn = await lab.trained()
    await lab.runtime.storage.delete(f"{colours.PROJECT}/models/v1/head.onnx")
    await lab.rekognition.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=1)
    gone = await lab.reaches(arn, "FAILED")
    assert gone["StatusMessage"].startswith("The model cannot run: a file of the model is gone")

    files = await colours.stored(lab.runtime, colours.PROJECT, labels=["red", "green"])
    bad = await colours.add_version(lab.runtime, "bad", files=files)
    await lab.rekognition.start_project_version(ProjectVersionArn=bad, MinInferenceUnits=1)
    wrong = await lab.reaches(bad, "FAILED")
    assert "head.onnx gives (1, 3) for 1 images and 2 labels" in wrong["StatusMessage"]

    files["head.onnx"]["sha256"] = "0" * 64
    altered = await colours.add_version(lab.runtime, "altered", files=files)
    await lab.rekognition.start_project_version(ProjectVersionArn=altered, MinInferenceUnits=1)
    assert "is not the file that was registered" in (await lab.reaches(altered, "FAILED"))["StatusMessage"]


@pytest.mark.parametrize("damaged", [b"", b"half", None])
async def test_a_damaged_file_in_the_cache_is_fetched_again(
    lab: Colours, tmp_path: Path, damaged: bytes | None
) -> None:
    arn = await running(lab)
    await lab.rekognition.stop_project_version(ProjectVersionArn=arn)
    await lab.reaches(arn, "STOPPED")
    for file in (tmp_path / "cache" / "files").iterdir():
        file.unlink() if damaged is None else file.write_bytes(damaged)

    await lab.rekognition.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=1)
    await lab.reaches(arn, "RUNNING")

    assert list(await detect(lab, arn)) == ["red"]


async def test_a_killed_unit_costs_no_answer(lab: Colours) -> None:
    arn = await running(lab)
    before = workers()
    for pid in before:
        os.kill(pid, signal.SIGKILL)

    assert list(await detect(lab, arn)) == ["red"]
    assert (await lab.version(arn))["Status"] == "RUNNING"
    assert not workers() & before


def workers() -> set[int]:
    """The units among the children of this process."""
    with open(f"/proc/{os.getpid()}/task/{os.getpid()}/children") as file:  # noqa: PTH123 - not a file on a disk
        pids = [int(word) for word in file.read().split()]
    return {pid for pid in pids if b"custom_labels.hosting.worker" in _command(pid)}


def _command(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123 - likewise
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""


@asynccontextmanager
async def copy_of_the_service(runtime: app.Runtime) -> AsyncIterator[reconciler.Reconciler]:
    """The part of a second, or restarted, service that runs models."""
    made, stop = reconciler.Reconciler(runtime, Settings()), asyncio.Event()
    running_ = asyncio.create_task(made.run(stop))
    yield made
    stop.set()
    await running_


async def row(runtime: app.Runtime) -> tables.ProjectVersion:
    async with roles.arranging(runtime)() as session:
        return (await session.scalars(select(tables.ProjectVersion))).one()


async def set_status(runtime: app.Runtime, status: str) -> None:
    async with roles.arranging(runtime).begin() as session:
        await session.execute(update(tables.ProjectVersion).values(status=status))


@pytest.mark.parametrize(
    ("before", "after"), [("STARTING", "RUNNING"), ("RUNNING", "RUNNING"), ("STOPPING", "STOPPED")]
)
async def test_states_outlive_the_service(runtime: app.Runtime, before: str, after: str) -> None:
    """The service went away in the middle of it; the next one goes on."""

    now = datetime.now(UTC)
    await colours.add_version(runtime, status=before, min_units=1, started_at=now)

    async with copy_of_the_service(runtime) as service:

        async def settled() -> bool:
            units_up = any(each.ready for each in service._hosted.values())
            return (await row(runtime)).status == after and units_up == (after == "RUNNING")

        await wait.until(settled)

    assert (await row(runtime)).status == after
    assert not workers()


async def test_each_copy_of_the_service_runs_the_model_and_a_stop_reaches_both(runtime: app.Runtime) -> None:

    await colours.add_version(runtime, status="STARTING", min_units=1, started_at=datetime.now(UTC))
    async with copy_of_the_service(runtime) as one, copy_of_the_service(runtime) as other:

        async def both() -> bool:
            return all(any(each.ready for each in copy._hosted.values()) for copy in (one, other))

        await wait.until(both)
        assert len(workers()) == 2
        await set_status(runtime, "STOPPING")

        async def none() -> bool:
            return not one._hosted and not other._hosted and (await row(runtime)).status == "STOPPED"

        await wait.until(none)
        assert not workers()


async def test_use_is_written_down_now_and_then(lab: Colours, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler, "USED", 0.05)
    arn = await running(lab)
    await asyncio.sleep(0.1)
    await detect(lab, arn)

    async def used() -> Any:
        return (await row(lab.runtime)).used_at

    assert await wait.until(used)


async def test_more_load_brings_more_units(lab: Colours, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "GROW", 0.0)
    arn = await running(lab, MaxInferenceUnits=2)
    (first,) = workers()
    os.kill(first, signal.SIGSTOP)
    asked = [asyncio.create_task(detect(lab, arn)) for _ in range(3)]

    async def two() -> bool:
        return len(workers()) == 2

    await wait.until(two)
    os.kill(first, signal.SIGCONT)

    assert await asyncio.gather(*asked) == [await detect(lab, arn)] * 3
