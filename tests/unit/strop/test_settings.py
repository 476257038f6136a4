"""Where settings come from."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from strop.settings import Settings

SHOW = "from strop.settings import Settings; print(Settings().database_url)"


def shown(**env: str) -> str:
    """The database's address as a process of its own sees it: the folder of secrets is looked up at its start."""
    clean = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    argv = [sys.executable, "-c", SHOW]
    done = subprocess.run(argv, env={**clean, "MQTT_URL": "mqtt://", **env}, text=True, capture_output=True, check=True)
    return done.stdout.strip()


def test_a_secret_can_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "database_url").write_text("postgresql://from-a-file\n")
    assert shown(STROP_SECRETS_DIR=str(tmp_path)) == "postgresql://from-a-file"


def test_a_variable_comes_before_a_file(tmp_path: Path) -> None:
    (tmp_path / "database_url").write_text("postgresql://from-a-file")
    assert shown(STROP_SECRETS_DIR=str(tmp_path), DATABASE_URL="postgresql://here") == "postgresql://here"


def test_the_collector_of_traces_goes_by_our_name_and_by_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://")
    monkeypatch.setenv("MQTT_URL", "mqtt://")
    assert Settings().traces is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://usual:4318")
    assert Settings().traces == "http://usual:4318"
    monkeypatch.setenv("STROP_TRACES", "http://ours:4318")
    assert Settings().traces == "http://ours:4318"
