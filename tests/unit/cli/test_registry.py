"""Model versions on the command line, and waiting for a training run."""

from uuid import uuid4

import httpx
import pytest
import typer

from strop_cli import access, api, registry
from strop_contracts import control, errors

RUN = uuid4()
REFUSED = control.Verdict(version=3, state="refused", reasons=["field: not better", "base: 9 of 10 right"])


def answering(*runs: control.Run) -> api.Api:
    """Return a client whose requests for the run are answered with these, one after the other."""
    waiting = list(runs)

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == f"/api/control/trainer/runs/{RUN}"
        return httpx.Response(200, text=waiting.pop(0).model_dump_json())

    return api.Api(access.Access("http://strop", "token"), httpx.MockTransport(answer))


def run(state: str, error: str | None = None, model: control.Verdict | None = None) -> control.Run:
    return control.Run(id=RUN, state=state, error=error, model=model)


def test_failed_run_raises_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_LOOK", 0)

    with pytest.raises(errors.StropError, match="training failed: the disk is full"):
        registry.outcome(answering(run("requested"), run("running"), run("failed", "the disk is full")), RUN)


def test_run_with_a_model_returns_the_verdict_one_reason_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_LOOK", 0)

    verdict = registry.outcome(answering(run("running"), run("succeeded", model=REFUSED)), RUN)

    assert verdict.splitlines() == ["v3 refused:", "  field: not better", "  base: 9 of 10 right"]


def test_model_version_is_read_with_and_without_its_v() -> None:
    assert (registry.number("3"), registry.number("v12")) == (3, 12)
    for wrong in ("", "v", "-1", "last"):
        with pytest.raises(typer.BadParameter):
            registry.number(wrong)


def test_version_given_twice_is_refused() -> None:
    with pytest.raises(errors.Refused, match="once"):
        registry.rollback("p", version=1, to=2)


def test_options_are_json_or_text() -> None:
    found = registry.options(["lr=1e-3", "mix=false", "strengths=[3, 10]", "backbone=lite0"])

    assert found == {"lr": 0.001, "mix": False, "strengths": [3, 10], "backbone": "lite0"}


@pytest.mark.parametrize(("values", "reason"), [(["lr"], "not NAME=VALUE"), (["lr=1", "lr=2"], "once")])
def test_malformed_and_repeated_options_are_refused(values: list[str], reason: str) -> None:
    with pytest.raises(errors.Refused, match=reason):
        registry.options(values)
