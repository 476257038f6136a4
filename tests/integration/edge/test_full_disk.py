"""A disk without room: the oldest images go, counted; the device goes on."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from strop_wire import messages
from tests import brokers, factories
from tests.integration.edge import small_disk
from tests.integration.edge.cloud import DEVICE, PROJECT, Cloud
from tests.unit.edge import packages

ALL = messages.Policy(version=7, audit_rate=1.0)
AGENT = """
import sys
from pathlib import Path
from strop_edge import source
from strop_edge.agent import Agent
from strop_edge.config import Config

broker, project, device, state, images = sys.argv[1:]
config = Config(broker, project, device, Path(state), state_every=0.2, answer_after=2.0)
Agent(config, source.watch(Path(images))).run()
"""


@pytest.mark.parametrize("scenario", small_disk.SCENARIOS)
def test_a_spool_on_a_full_disk_goes_on_and_counts_what_it_gives_up(tmp_path: Path, scenario: str) -> None:
    played = [sys.executable, "-m", "tests.integration.edge.small_disk", scenario, str(tmp_path)]

    ended = subprocess.run(small_disk.command(tmp_path, *played), capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stderr


@pytest.fixture
def disk(broker: brokers.Broker, images: Path, tmp_path: Path) -> Iterator[Path]:
    """The small disk of an agent that watches `images`."""
    state = tmp_path / "device"
    state.mkdir()
    watching = [sys.executable, "-c", AGENT, broker.url, PROJECT, DEVICE, str(state), str(images)]
    with subprocess.Popen(small_disk.command(state, *watching)) as agent:
        yield Path(f"/proc/{agent.pid}/root{state}")  # as the agent sees it
        agent.kill()


def test_an_agent_on_a_full_disk_classifies_announces_and_changes_models(
    cloud: Cloud, broker: brokers.Broker, images: Path, disk: Path
) -> None:
    def shown(first: int, last: int) -> None:
        for number in range(first, last):
            (images / f"{number}.jpg").write_bytes(factories.picture(number, (2400, 1800)))
        cloud.wait(lambda: cloud.states[-1].classified == last and len({each.id for each in cloud.captures}) == last)

    # 14 MB of images: each time the disk fills up costs one to three of them, and some shall be left.
    cloud.decide = lambda _: None
    cloud.offer(packages.package("v1"), "d1", ALL)
    cloud.wait_model("v1")
    shown(0, 90)

    small_disk.fill(disk)
    shown(90, 105)
    small_disk.fill(disk)
    cloud.decide = lambda _: "upload"
    broker.kill()
    broker.start()
    ended = cloud.wait(lambda: next((state for state in cloud.states if not state.spool_items and state.dropped), None))

    assert ended.classified == 105
    assert set(ended.dropped) == {"disk-full"}
    lost = {each.capture for state in cloud.states for each in state.lost}
    assert len(lost) <= ended.dropped["disk-full"] < 105
    assert {capture.id for capture in cloud.captures} <= lost | {path.strip("/") for path in cloud.web.objects}
