"""The command as a whole: help everywhere, and errors in one line."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from strop_cli import installation
from strop_cli.__main__ import cli
from strop_contracts import errors, services

COMMANDS = [
    "",
    "up",
    "demo",
    "projects create",
    "projects list",
    "devices add",
    "devices group",
    "devices list",
    "devices remove",
    "fleet",
    "datasets import",
    "datasets check",
    "labels list",
    "labels confirm",
    "labels map",
    "certs make",
    "roles",
    "policy show",
    "policy set",
    "train",
    "models list",
    "rollback",
    "dlq list",
    "dlq show",
    "dlq retry",
    "dlq drop",
    "token create",
    "token list",
    "token revoke",
    "status",
    "doctor",
    "ledger p",
    "login",
    "setup",
    "models approve",
    "models reject",
    "projects settings",
    "triggers",
    "quality",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    shown = CliRunner().invoke(cli, [*command.split(), "--help"])

    assert shown.exit_code == 0
    assert "Usage" in shown.output


def test_a_state_folder_without_a_running_platform_is_said_in_one_line(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "strop_cli", "status", "--state", str(tmp_path)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)

    assert done.returncode == 1
    assert done.stderr.startswith(f"strop: {tmp_path}/strop.env is missing: start `strop up")
    assert len(done.stderr.splitlines()) == 1


def test_argument_that_no_service_accepts_is_reported_in_one_line() -> None:
    argv = [sys.executable, "-m", "strop_cli", "token", "create", ""]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)

    assert (done.returncode, done.stderr.startswith("strop: user: "), len(done.stderr.splitlines())) == (1, True, 1)


def test_setup_without_addresses_is_refused_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("MQTT_URL", raising=False)

    with pytest.raises(errors.Refused, match=r"DATABASE_URL.*MQTT_URL.*--state DIR"):
        installation.settings()


def test_the_command_starts_without_services_database_and_sdk() -> None:
    """Most commands only send an HTTP request: what they do not need would double the time of their start."""
    listing = "from strop_cli import __main__; import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", listing], check=True, capture_output=True, text=True).stdout.split()

    assert "strop_cli" in loaded
    heavy = {"strop", "sqlalchemy", "fastapi", "botocore", "numpy", "PIL", "cryptography"}
    assert not {*loaded} & (heavy | {service.package for service in services.ALL})
