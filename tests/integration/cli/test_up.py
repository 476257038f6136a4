"""`strop up` as a person starts it, and the commands as a person types them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import httpx
import psutil
import pytest
import structlog
from typer.testing import CliRunner

from strop_cli import render
from strop_cli.__main__ import cli
from strop_cli.platform import envfile

Up = subprocess.Popen[str]


@contextmanager
def up(state: Path) -> Iterator[Up]:
    argv = [sys.executable, "-m", "strop_cli", "up", "--state", str(state)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        while not (state / "strop.env").exists():
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.02)
        yield process
        process.terminate()


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


def say(strop: CliRunner, state: Path, command: str) -> str:
    """What the command answers."""
    done = strop.invoke(cli, [*command.split(), "--state", str(state)])
    if done.exception:
        raise done.exception
    return done.output


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for label in ("soda-can", "clutter"):
        for number, split in enumerate(("train", "train", "valid")):
            file = tmp_path / split / label / f"{number} ü+.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(render.render(label, number))
    return tmp_path


def test_everything_is_ready_once_the_file_is_there(env: dict[str, str]) -> None:
    answer = httpx.get(f"{env['STROP_URL']}/readyz")

    assert answer.status_code == 200
    assert set(answer.json()) == {"database", "ingest", "router", "labeling-queue", "trainer", "deployer"}


def test_a_project_its_devices_and_its_base_images(strop: CliRunner, state: Path, tree: Path) -> None:
    say(strop, state, "projects create drinks")
    say(strop, state, "devices add drinks line-01 line-02")
    (tree / "train" / "clutter" / "bad.jpg").write_bytes(b"no image")

    first = say(strop, state, f"datasets import drinks {tree}")
    again = say(strop, state, f"datasets import drinks {tree}")

    assert "drinks" in say(strop, state, "projects list")
    assert "line-02" in say(strop, state, "devices list drinks")
    assert "refused drinks/datasets/base/train/clutter/bad.jpg: neither JPEG, PNG nor WebP" in first
    assert "6 images taken, 0 were there already, 1 refused" in first
    assert "0 images taken, 6 were there already, 1 refused" in again


def test_a_wrong_name_is_refused_by_every_command(strop: CliRunner, state: Path, tree: Path) -> None:
    for command in (
        f"datasets import no {tree}",
        "train no",
        "models list no",
        "devices add no one",
        "devices list no",
    ):
        with pytest.raises(Exception, match="there is no project no"):
            say(strop, state, command)
    with pytest.raises(Exception, match="nothing is deployed in no"):
        say(strop, state, "rollback no")


def test_a_training_run_is_asked_for_once_and_shows(strop: CliRunner, state: Path) -> None:
    say(strop, state, "projects create trained")

    assert "is asked for" in say(strop, state, "train trained")
    assert "project trained" in say(strop, state, "status")
    assert "model" in say(strop, state, "models list trained")


def test_the_token_of_the_file_and_a_made_one_open_the_api(strop: CliRunner, state: Path, env: dict[str, str]) -> None:
    say(strop, state, "projects create open")
    made = say(strop, state, "token create robot").strip()

    for token, expected in ((env["STROP_TOKEN"], 200), (made, 200), ("wrong", 401)):
        answer = httpx.get(
            f"{env['STROP_URL']}/api/projects/open/progress", headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.status_code == expected


def test_a_sign_in_link_works_once(strop: CliRunner, state: Path, env: dict[str, str]) -> None:
    link = say(strop, state, f"token create anna --link {env['STROP_URL']}").strip()

    assert [httpx.get(link).status_code for _ in range(2)] == [303, 401]


def test_it_goes_on_where_it_stopped_and_ends_when_a_server_dies(strop: CliRunner, tmp_path: Path) -> None:
    with up(tmp_path) as first:
        before = envfile.read(tmp_path / "strop.env")
        say(strop, tmp_path, "projects create kept")
        first.send_signal(signal.SIGINT)  # Ctrl-C
        shown, _ = first.communicate()
    assert first.returncode == 0
    assert "/sign-in?token=" in shown
    assert "stopped; nothing is lost" in shown
    assert not (tmp_path / "strop.env").exists()

    with up(tmp_path) as second:
        assert envfile.read(tmp_path / "strop.env") == before
        assert "kept" in say(strop, tmp_path, "projects list")
        broker = next(p for p in psutil.Process(second.pid).children() if "mqtt/" in " ".join(p.cmdline()))
        broker.kill()
        shown, _ = second.communicate()
    assert second.returncode == 1
    assert "strop: mqtt stopped with exit code -9" in shown
    assert not (tmp_path / "strop.env").exists()


def test_a_port_that_is_taken_is_said(state: Path, env: dict[str, str], tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "strop_cli", "up", "--state", str(tmp_path), "--port", env["STROP_PORT"]]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)

    assert done.returncode == 1
    assert done.stderr == f"strop: port {env['STROP_PORT']} is taken: choose another, or leave --port out\n"
