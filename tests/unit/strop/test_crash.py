"""A point kills the process it is named for, once, and nobody else."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PASS = "from strop import crash; crash.point('relay:sent'); print('alive')"


def ends(**env: str) -> int:
    return subprocess.run([sys.executable, "-c", PASS], check=False, env=os.environ | env).returncode


@pytest.mark.parametrize("env", [{}, {"STROP_CRASH_AT": ""}, {"STROP_CRASH_AT": "router:committed@marker"}])
def test_nothing_happens_unless_the_point_is_named(env: dict[str, str]) -> None:
    assert ends(**env) == 0


def test_the_named_point_kills_the_first_time_only(tmp_path: Path) -> None:
    env = {"STROP_CRASH_AT": f"relay:sent@{tmp_path / 'marker'}"}

    assert [ends(**env), ends(**env)] == [-signal.SIGKILL, 0]
