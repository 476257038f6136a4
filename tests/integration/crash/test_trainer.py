"""The trainer is killed in the middle of a run, or when it is done and has not said so: the run makes one model."""

from pathlib import Path

import pytest

from strop import app
from strop_contracts import tables
from tests import factories
from tests.integration.crash import victim
from tests.integration.trainer.lab import Lab


@pytest.mark.parametrize(
    ("point", "left", "attempts"), [("trainer:working", "running", 2), ("trainer:committed", "succeeded", 1)]
)
async def test_a_run_is_finished_once_by_the_next_trainer(
    runtime: app.Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, left: str, attempts: int
) -> None:
    await victim.return_soon(runtime, monkeypatch, "trainer")
    async with runtime.sessions.begin() as session:
        await factories.make_project(session)
    lab = Lab(runtime, tmp_path)
    await lab.base(train=2, valid=1)
    asked = await lab.ask()
    quick = {"STROP_TRAINER_CACHE": str(tmp_path / "cache"), "STROP_TRAINER_LEASE": "8", "STROP_TRAINER_TICK": "0.2"}
    async with victim.killed(runtime, "trainer", point, tmp_path, **quick) as died:
        await died.wait()
        assert (await lab.run(asked.run_id)).state == left

        async def over() -> bool:
            return (await lab.run(asked.run_id)).state in {"succeeded", "failed"}

        await victim.until(over)
        await victim.drained(runtime, "trainer")

    (run,) = await lab.all(tables.TrainingRun)
    assert (run.state, run.attempts) == ("succeeded", attempts)
    (model,) = await lab.all(tables.ModelVersion)
    assert (model.run_id, model.version) == (run.id, 1)
    assert not list((tmp_path / "cache" / "runs").iterdir())
