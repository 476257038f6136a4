"""What is said of the latest training run of a project."""

from datetime import UTC, datetime

import pytest

from strop import app
from strop_cli import registry
from strop_contracts import errors, tables


def run(state: str, day: int, error: str | None = None) -> tables.TrainingRun:
    return tables.TrainingRun(
        project="p", state=state, trigger="manual", error=error, at=datetime(2026, 1, day, tzinfo=UTC)
    )


def refused(version: int, made_by: tables.TrainingRun) -> tables.ModelVersion:
    return tables.ModelVersion(
        project="p", version=version, run_id=made_by.id, dataset_version=1, state="refused", reasons=["not better"],
        labels=["a", "b"], files={},
    )  # fmt: skip


async def test_who_waits_for_a_run_that_fails_gets_its_error(runtime: app.Runtime) -> None:
    async with runtime.sessions.begin() as session:
        session.add(failed := run("failed", 1, "the disk is full"))

    with pytest.raises(errors.StropError, match="training failed: the disk is full"):
        await registry.outcome(runtime, failed.id)


async def test_who_waits_for_a_model_that_is_refused_gets_the_reasons(runtime: app.Runtime) -> None:
    async with runtime.sessions.begin() as session:
        session.add(done := run("succeeded", 1))
        await session.flush()
        session.add(refused(3, done))

    assert await registry.outcome(runtime, done.id) == "v3 refused:\n  not better"


async def test_the_latest_run_counts_with_its_error_or_the_gates_decision(runtime: app.Runtime) -> None:
    async with runtime.sessions.begin() as session:
        assert await registry.last_training(session, "p") is None
        session.add(done := run("succeeded", 1))
        await session.flush()
        session.add(refused(3, done))
        assert await registry.last_training(session, "p") == "v3 refused"
        session.add(run("failed", 2, "the disk is full"))
        assert await registry.last_training(session, "p") == "failed: the disk is full"
