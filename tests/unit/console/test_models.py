"""The state of a training run in words."""

from console import models
from strop_contracts import tables

REFUSED = tables.ModelVersion(version=3, state="refused", reasons=["field: not better"])


def test_run_is_described_by_its_state_its_error_or_the_gates_decision() -> None:
    def run(state: str, error: str | None = None) -> tables.TrainingRun:
        return tables.TrainingRun(state=state, error=error)

    assert models.words(run("running"), None) == "running"
    assert models.words(run("failed", "no images"), None) == "failed: no images"
    assert models.words(run("succeeded"), REFUSED) == "v3 refused"
