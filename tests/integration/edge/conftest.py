from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from strop_edge import fetch, upload
from strop_edge.agent import Agent
from strop_edge.config import Config
from tests import brokers
from tests.integration.edge import cloud as clouds
from tests.integration.edge import web as webs


@pytest.fixture
def web() -> Iterator[webs.Web]:
    with webs.serving() as serving:
        yield serving


@pytest.fixture
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[brokers.Broker]:
    """One of the test's own, which it may kill: Mosquitto, and the embedded one for tests that are marked with `brokers.each`."""
    running = brokers.Broker(tmp_path / "broker", getattr(request, "param", brokers.MOSQUITTO))
    running.start()
    yield running
    running.kill()


@pytest.fixture
def cloud(broker: brokers.Broker, web: webs.Web) -> Iterator[clouds.Cloud]:
    started = clouds.Cloud(broker.url, web)
    started.start()
    yield started
    started.stop()


@pytest.fixture
def feed() -> clouds.Feed:
    return clouds.Feed()


@pytest.fixture
def start_agent(broker: brokers.Broker, feed: clouds.Feed, tmp_path: Path) -> Iterator[Callable[..., Agent]]:
    """Start an agent on the state folder of this test; it is stopped afterwards."""
    started: list[Agent] = []

    def start(source: Any = feed, **changes: Any) -> Agent:
        values = {"state": tmp_path / "device", "state_every": 0.2, "answer_after": 1.0, **changes}
        agent = Agent(Config(broker.url, clouds.PROJECT, clouds.DEVICE, **values), source)
        agent.start()
        started.append(agent)
        return agent

    yield start
    for agent in started:
        agent.stop()
        assert agent.join(30)


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry at once: what is tested is that it is retried."""
    monkeypatch.setattr(fetch, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(fetch, "LONGEST_WAIT", 0.05)
    monkeypatch.setattr(fetch, "ANSWER_AFTER", 0.2)
    monkeypatch.setattr(upload, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(upload, "SECOND_CHANCE", 0.01)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """The folder that a device watches."""
    folder = tmp_path / "images"
    folder.mkdir()
    return folder
