"""One child server, whatever it is: here `sleep`, with an answer as we script it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from strop_devstack.platform import server
from strop_devstack.platform.errors import PlatformError
from strop_devstack.platform.server import Plan, Server


@pytest.fixture
def state(tmp_path: Path) -> Path:
    for folder in ("run", "logs"):
        (tmp_path / folder).mkdir()
    return tmp_path


@contextmanager
def started(state: Path, *argv: str, answers: list[bool]) -> Iterator[Server]:
    script = iter(answers)
    running = Server(Plan("sleeper", list(argv), lambda: next(script)), state)
    try:
        yield running
    finally:
        running.stop()


def test_one_missed_answer_is_forgiven_and_several_in_a_row_are_not(state: Path) -> None:
    misses = [False] * server.MISSES
    with started(state, "sleep", "60", answers=[*misses[1:], True, *misses]) as running:
        reports = [running.failed() for _ in range(2 * server.MISSES)]

    assert reports[:-1] == [None] * (2 * server.MISSES - 1)
    assert reports[-1]
    assert reports[-1].startswith("sleeper does not answer")


def test_a_server_that_ends_before_it_answers_is_reported_with_its_last_words(state: Path) -> None:
    with (
        started(state, "sh", "-c", "echo no such luck; exit 3", answers=[False] * 9999) as running,
        pytest.raises(PlatformError, match=r"did not start(.|\n)*no such luck"),
    ):
        running.await_answer()


def test_a_server_that_ignores_its_signal_is_killed(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "STOP_SECONDS", 0.2)
    script = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
    with started(state, "sh", "-c", script, answers=[]) as running:
        while "ready" not in running.log.read_text():
            pass
        process = psutil.Process(running.pid)

    assert not process.is_running()


def test_a_stubborn_leftover_is_killed(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "STOP_SECONDS", 2)
    plan = Plan("sleeper", ["sleep", "60"], lambda: True, signal.SIGCONT)  # which `sleep` does not mind
    left = Server(plan, state)

    server.stop_leftovers(state)

    assert not psutil.pid_exists(left.pid)
    left.stop()


def test_a_server_inherits_the_locale(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One in Python cannot read an installation in a folder with an accent when its locale is C."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")

    with (
        started(state, "sh", "-c", 'echo "locale $LC_ALL"; exit 3', answers=[False] * 9999) as running,
        pytest.raises(PlatformError, match=r"locale C\.UTF-8"),
    ):
        running.await_answer()
