"""What is said of training runs and model versions."""

import pytest
import typer

from strop_cli import registry
from strop_contracts import errors, tables

REFUSED = tables.ModelVersion(version=3, state="refused", reasons=["field: not better", "base: 9 of 10 right"])


def test_a_run_is_told_by_its_state_its_error_or_the_gates_decision() -> None:
    def run(state: str, error: str | None = None) -> tables.TrainingRun:
        return tables.TrainingRun(state=state, error=error)

    assert registry.words(run("running"), None) == "running"
    assert registry.words(run("failed", "no images"), None) == "failed: no images"
    assert registry.words(run("succeeded"), REFUSED) == "v3 refused"


def test_a_verdict_has_one_reason_a_line() -> None:
    assert registry.verdict(REFUSED).splitlines() == ["v3 refused:", "  field: not better", "  base: 9 of 10 right"]


def test_a_model_version_is_read_with_and_without_its_v() -> None:
    assert (registry.number("3"), registry.number("v12")) == (3, 12)
    for wrong in ("", "v", "-1", "last"):
        with pytest.raises(typer.BadParameter):
            registry.number(wrong)


def test_a_version_given_twice_is_refused() -> None:
    with pytest.raises(errors.Refused, match="once"):
        registry.rollback("p", version=1, to=2)
