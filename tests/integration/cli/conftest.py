"""A platform of `strop up` for the tests of a module, and what they give to its commands."""

import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
import structlog
from typer.testing import CliRunner

from strop_cli import envfile
from strop_devstack import render
from tests.integration.cli.running import up


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A platform that is up, in a folder with a name that needs quoting."""
    folder = tmp_path_factory.mktemp("up") / "it's here"
    with up(folder):
        yield folder


@pytest.fixture(scope="module")
def env(state: Path) -> dict[str, str]:
    return envfile.read(state / "strop.env")


@pytest.fixture
def strop(state: Path) -> Iterator[CliRunner]:
    """Runs commands; the environment and the logging are as before when the test ends."""
    config = structlog.get_config()
    with mock.patch.dict(os.environ, {"COLUMNS": "200"}):
        yield CliRunner()
    structlog.configure(**config)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for label in ("soda-can", "clutter"):
        for number, split in enumerate(("train", "train", "valid")):
            file = tmp_path / split / label / f"{number} ü+.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(render.render(label, number))
    return tmp_path
