import os
import re
import time
from pathlib import Path

import pytest

from strop_edge import __main__, heartbeat


def health(state: Path) -> int:
    return __main__.main(["health", "--state", str(state)])


def test_an_agent_that_never_ran_is_not_healthy(tmp_path: Path) -> None:
    assert health(tmp_path) == 1


def test_an_agent_is_healthy_for_a_while_after_each_beat(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heartbeat.Heartbeat(tmp_path).beat()
    assert health(tmp_path) == 0

    past = time.time() - heartbeat.STALE - 1
    os.utime(tmp_path / heartbeat.FILE, (past, past))
    assert health(tmp_path) == 1
    assert re.search(r"it last worked 6\d s ago", capsys.readouterr().out)


def test_a_beat_far_in_the_future_is_no_sign_of_life(tmp_path: Path) -> None:
    """The clock was set back: nobody knows how old it is, and an agent that works touches it anew."""
    heartbeat.Heartbeat(tmp_path).beat()
    slightly, far = time.time() + heartbeat.STALE - 10, time.time() + heartbeat.STALE + 10

    os.utime(tmp_path / heartbeat.FILE, (slightly, slightly))
    assert health(tmp_path) == 0
    os.utime(tmp_path / heartbeat.FILE, (far, far))
    assert health(tmp_path) == 1


def test_the_disk_is_touched_now_and_then_only(tmp_path: Path) -> None:
    heart = heartbeat.Heartbeat(tmp_path)
    heart.beat()
    (tmp_path / heartbeat.FILE).unlink()

    heart.beat()

    assert heartbeat.age(tmp_path) is None
