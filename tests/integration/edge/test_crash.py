"""The agent is killed in the middle of an upload, and of a change of model: it goes on, and nothing is lost or doubled."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from strop_edge import journal, store
from strop_wire import messages
from tests import brokers, factories
from tests.integration.edge.cloud import DEVICE, PROJECT, Cloud, until
from tests.unit.edge import packages

ALL = messages.Policy(version=7, audit_rate=1.0)
V1, V2 = packages.package("v1"), packages.package("v2", scale=5.0)
LARGE = factories.picture(1, (1600, 1200))
"""Of several pieces."""

Run = Callable[[str], subprocess.Popen[bytes]]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state folder of a device that runs v1."""
    models = store.Store(tmp_path / "device" / "models")
    desired = V1.desired("d1", ALL)
    for name, file in desired.files.items():
        models.partial(file).write_bytes(V1.contents[name])
        models.keep(file)
    models.assemble(desired)
    models.switch(store.Running(desired))
    return tmp_path / "device"


@pytest.fixture
def run(broker: brokers.Broker, images: Path, state: Path, tmp_path: Path) -> Iterator[Run]:
    """Start the agent; the first one dies at the point."""
    started: list[subprocess.Popen[bytes]] = []

    def start(point: str) -> subprocess.Popen[bytes]:
        own = ["--broker", broker.url, "--project", PROJECT, "--device", DEVICE, "--state", str(state)]
        dying = [sys.executable, "-m", "tests.integration.edge.dying", point, str(tmp_path / "died")]
        log = (tmp_path / "agent.log").open("ab")
        with log:
            started.append(subprocess.Popen([*dying, "run", "--source", str(images), "--watch", *own], stderr=log))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@brokers.each
@pytest.mark.parametrize("point", ["upload:piece", "upload:put"])
def test_an_upload_is_finished_after_the_next_start(
    cloud: Cloud, run: Run, images: Path, state: Path, point: str
) -> None:
    first = run(point)
    cloud.wait_model("v1")
    (images / "new.jpg").write_bytes(LARGE)
    assert first.wait(30) == -signal.SIGKILL

    run(point)

    until(lambda: list(journal.fates(state).values()) == ["stored"])
    assert {capture.id for capture in cloud.captures} == set(journal.fates(state))
    assert list(cloud.web.objects.values()) == [LARGE]
    assert journal.drops(state) == {}


@brokers.each
@pytest.mark.parametrize("point", ["swap:piece", "swap:assembled", "swap:switched"])
def test_a_change_of_model_is_finished_after_the_next_start(
    cloud: Cloud, run: Run, images: Path, state: Path, point: str
) -> None:
    first = run(point)
    cloud.wait_model("v1")
    cloud.offer(V2, "d2", ALL)
    assert first.wait(30) == -signal.SIGKILL
    killed = cloud.states[0].boot
    runs = store.running(state / "models").current
    assert runs
    assert runs.model == ("v2" if point == "swap:switched" else "v1")

    run(point)

    answered = cloud.wait_outcome("d2")
    assert answered.answer
    assert answered.answer.outcome == "installed"
    started = next(state for state in cloud.states if state.boot != killed)
    assert started.model == runs.model, "it classifies with a whole model from its start"
    (images / "new.jpg").write_bytes(packages.GREY)
    until(lambda: list(journal.fates(state).values()) == ["stored"])
    assert [capture.model for capture in cloud.captures] == ["v2"]
    # Nothing is left over: not the old model's files beyond the way back, and no half of a download.
    names = {path.name for path in (state / "models" / "files").iterdir()}
    assert names == set(V1.by_hash) | set(V2.by_hash)
