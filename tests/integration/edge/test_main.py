"""The command, as a process of its own."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from strop_edge import journal
from strop_wire import messages
from tests import brokers
from tests.integration.edge.cloud import DEVICE, PROJECT, Cloud, until
from tests.unit.edge import packages

ALL = messages.Policy(version=7, audit_rate=1.0)
COMMAND = [sys.executable, "-m", "strop_edge"]
Run = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number, data in enumerate((packages.RED, packages.GREEN, b"no image")):
        (folder / f"{number}.jpg").write_bytes(data)
    return folder


@pytest.fixture
def run(broker: brokers.Broker, images: Path, tmp_path: Path) -> Iterator[Run]:
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        own = ["--project", PROJECT, "--device", DEVICE, "--state", str(tmp_path / "device")]
        command = [*COMMAND, "run", "--source", str(images), "--broker", broker.url, *own, *arguments]
        started.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_folder_is_worked_through_and_the_command_ends(cloud: Cloud, run: Run, tmp_path: Path) -> None:
    cloud.offer(packages.package(), "d1", ALL)

    process = run("--log", "json")
    _, log = process.communicate(timeout=60)

    assert process.returncode == 0
    assert sorted(journal.fates(tmp_path / "device").values()) == ["stored", "stored"]
    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert any("bad-image" in event and "2.jpg" in event for event in events)
    assert events[-1] == "2 images classified, 2 kept, 2 uploaded, 0.0 MB sent, 1 dropped; model v1"
    assert cloud.wait(lambda: cloud.states[-1].classified == 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(cloud: Cloud, run: Run, images: Path, number: signal.Signals) -> None:
    cloud.offer(packages.package(), "d1", ALL)
    process = run("--watch")
    cloud.wait_model("v1")
    (images / "new.jpg").write_bytes(packages.GREY)
    cloud.wait(lambda: cloud.captures)

    process.send_signal(number)
    process.communicate(timeout=30)

    assert process.returncode == 0
    cloud.wait(lambda: cloud.states[-1].classified == 1)  # the broker has it by now, and passes it on


def test_killed_at_work_it_loses_nothing(cloud: Cloud, run: Run, tmp_path: Path) -> None:
    cloud.decide = lambda _: None
    cloud.offer(packages.package(), "d1", ALL)
    first = run()
    cloud.wait(lambda: len(cloud.captures) == 2)
    first.kill()
    first.wait()
    cloud.decide = lambda _: "upload"

    run("--watch")

    until(lambda: list(journal.fates(tmp_path / "device").values()) == ["stored", "stored"])
    assert len({capture.id for capture in cloud.captures}) == 2


def test_status_shows_model_captures_and_drops(cloud: Cloud, run: Run, tmp_path: Path) -> None:
    cloud.offer(packages.package(), "d1", ALL)
    run().communicate(timeout=60)

    status = command("status", "--state", str(tmp_path / "device"))

    assert status.returncode == 0
    assert "v1 (policy 7)" in status.stdout
    assert "captures 2" in status.stdout
    assert "stored" in status.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["status", "--state", "nowhere"], "not the state folder"),
        (["run", "--broker", "http://b", "--project", "p"], "expected mqtt://"),
        (["run", "--broker", "mqtt://b", "--project", "a/b"], "project 'a/b'"),
        (["run", "--broker", "mqtt://b", "--project", "p", "--password-file", "nowhere"], "password file"),
        (["run", "--broker", "mqtt://b", "--project", "p", "--password-file", "/dev/null"], "is empty: write the"),
        (["run", "--broker", "mqtt://b", "--project", "p", "--source", "nowhere"], "no such folder"),
        (["run", "--broker", "mqtts://b", "--project", "p", "--ca", "nowhere"], "certificates"),
    ],
    ids=range(7),
)
def test_what_cannot_work_is_one_clear_line(tmp_path: Path, arguments: list[str], reason: str) -> None:
    given = (
        ["--source", str(tmp_path), "--device", "d", "--state", str(tmp_path / "s")] if arguments[0] == "run" else []
    )

    ended = command(arguments[0], *given, *arguments[1:])

    assert ended.returncode == 2
    assert ended.stderr.startswith("strop-edge: ")
    assert reason in ended.stderr
    assert ended.stderr.count("\n") == 1


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)
