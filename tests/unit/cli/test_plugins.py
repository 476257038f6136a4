"""Commands that other packages add to `strop`."""

import pytest
import typer
from typer.testing import CliRunner

from strop_cli import plugins
from strop_contracts import errors


def test_installed_development_stack_adds_up_and_demo() -> None:
    cli = typer.Typer()

    plugins.add(cli)

    assert {command.name for command in cli.registered_commands} == {"up", "demo"}
    assert "Run PostgreSQL" in CliRunner().invoke(cli, ["up", "--help"]).output


@pytest.mark.parametrize("typed", ["up", "demo --exit", "up --state x --help"])
def test_missing_development_stack_is_named_with_what_to_run(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "GROUP", "strop.no-such-group")
    cli = typer.Typer()
    plugins.add(cli)

    done = CliRunner().invoke(cli, typed.split())

    assert isinstance(done.exception, errors.NotFound)
    assert f"run `make {typed.split(maxsplit=1)[0]}` in a clone" in str(done.exception)
