"""A platform that runs, and commands as a person types them."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from typer.testing import CliRunner, Result

from strop_cli.__main__ import cli
from tests import wait

Up = subprocess.Popen[str]


@contextmanager
def up(state: Path, *options: str) -> Iterator[Up]:
    argv = [sys.executable, "-m", "strop_cli", "up", "--state", str(state), *options]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            while not (state / "strop.env").exists():
                assert process.poll() is None, process.communicate()[0]
                time.sleep(0.02)
            yield process
        finally:
            process.terminate()


def say(strop: CliRunner, state: Path, command: str) -> str:
    """What the command answers."""
    done = ask(strop, state, command)
    if done.exception:
        raise done.exception
    return done.output


def ask(strop: CliRunner, state: Path, command: str) -> Result:
    return strop.invoke(cli, [*command.split(), "--state", str(state)])


def until(look: Callable[[], str], fits: Callable[[str], bool]) -> str:
    """Run a command until its answer fits, and return that."""
    end = time.monotonic() + wait.PATIENCE
    while not fits(found := look()):
        assert time.monotonic() < end, found
    return found


def client(env: dict[str, str]) -> Any:
    return boto3.Session().client(
        "s3",
        "us-east-1",
        endpoint_url=env["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
    )
