"""How the latest training run of a project ended."""

from datetime import UTC, datetime

import pytest

from console import models
from strop import app
from strop_contracts import tables


@pytest.fixture
def runs_as() -> None:
    """As the tables' owner: the tests write rows of all services."""


def run(state: str, day: int, error: str | None = None) -> tables.TrainingRun:
    return tables.TrainingRun(
        project="p", state=state, trigger="manual", error=error, at=datetime(2026, 1, day, tzinfo=UTC)
    )


def refused(version: int, made_by: tables.TrainingRun) -> tables.ModelVersion:
    return tables.ModelVersion(
        project="p", version=version, run_id=made_by.id, dataset_version=1, state="refused", reasons=["not better"],
        labels=["a", "b"], files={},
    )  # fmt: skip


async def test_the_latest_run_counts_with_its_error_or_the_gates_decision(runtime: app.Runtime) -> None:
    async with runtime.sessions.begin() as session:
        assert await models.last_training(session, "p") is None
        session.add(done := run("succeeded", 1))
        await session.flush()
        session.add(refused(3, done))
        assert await models.last_training(session, "p") == "v3 refused"
        session.add(run("failed", 2, "the disk is full"))
        assert await models.last_training(session, "p") == "failed: the disk is full"
