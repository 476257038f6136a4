"""The check for programs before the first test: what it prints, and that it waits for another run of apt."""

from pathlib import Path

import pytest

from tests import machine

APT = """#!/bin/sh
echo "$@" >>"{calls}"
test $(wc -l <"{calls}") -gt {failures} && exit 0
echo "{message}" >&2
exit 100
"""


def apt_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int, message: str) -> Path:
    """Put an apt-get on the path that fails so many times; return the file of its calls, a line each."""
    calls, program = tmp_path / "calls", tmp_path / "apt-get"
    program.write_text(APT.format(calls=calls, failures=failures, message=message))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return calls


def test_apt_is_tried_again_while_another_run_holds_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (apt-get)"
    calls = apt_get(tmp_path, monkeypatch, 2, message)
    monkeypatch.setattr(machine, "PAUSE", 0.0)

    machine.apt("update")

    assert len(calls.read_text().splitlines()) == 3


def test_apt_that_fails_for_another_reason_ends_with_its_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = apt_get(tmp_path, monkeypatch, 9, "E: Unable to locate package mosquitto")

    with pytest.raises(SystemExit, match="Unable to locate package mosquitto"):
        machine.apt("install", "-y", "mosquitto")

    assert len(calls.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("debian", "sudo apt-get update && sudo apt-get install -y --no-install-recommends mosquitto chromium"),
        (
            "ubuntu",
            f"{machine.command(['mosquitto'], 'debian')} && .venv/bin/playwright install --with-deps chromium",
        ),
        ("fedora", "sudo dnf install -y mosquitto chromium"),
        ("Darwin", "brew install mosquitto google-chrome"),
    ],
)
def test_one_command_installs_all_that_is_missing(system: str, expected: str) -> None:
    assert machine.command(["mosquitto", "chromium"], system) == expected


def test_nothing_else_is_asked_for_where_only_a_browser_is_missing() -> None:
    assert machine.command(["chromium"], "ubuntu") == ".venv/bin/playwright install --with-deps chromium"
