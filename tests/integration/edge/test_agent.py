"""The agent against a real broker and a real HTTP server."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from strop_edge import agent as agents
from strop_edge import heartbeat, image, journal, source, source_reader
from strop_edge.agent import Agent
from strop_edge.config import BadConfig, Config
from strop_wire import messages, reports
from tests import brokers
from tests.integration.edge.cloud import DEVICE, PROJECT, Cloud, Feed, until
from tests.unit.edge import packages

Start = Callable[..., Agent]

ALL = messages.Policy(version=7, audit_rate=1.0)
"""Keeps every image, as an audit."""
LOW_ONLY = messages.Policy(version=3, high_rate=0.0, audit_rate=0.0)
ENROL = f"strop devices add {PROJECT} {DEVICE}"
V1, V2 = packages.package("v1"), packages.package("v2", scale=5.0)


@brokers.each
def test_from_nothing_to_a_stored_image(cloud: Cloud, start_agent: Start, feed: Feed, tmp_path: Path) -> None:
    agent = start_agent(answer_after=60.0)  # so that it announces once, however long the answer takes
    cloud.wait(lambda: cloud.states and cloud.states[0].model is None)
    feed.pour(packages.GREY)
    cloud.offer(V1, "d1", LOW_ONLY)

    state = cloud.wait(lambda: next((s for s in cloud.states if s.classified == 1), None))
    until(lambda: set(agent.journal().values()) == {"stored"})

    assert state.model == "v1"
    assert state.policy == 3
    assert state.answer == reports.Outcome("d1", "installed")
    assert [(each.model, each.policy, sum(each.predictions["red"])) for each in state.usage] == [("v1", 3, 1)]
    assert (sum(state.usage[0].latency), state.usage[0].kept) == (1, {"low": 1})
    (capture,) = cloud.captures
    assert (capture.model, capture.policy, capture.reason, capture.audit) == ("v1", 3, "low", False)
    assert (capture.sha256, capture.size) == (image.sha256(packages.GREY), len(packages.GREY))
    assert capture.phash == image.dhash(image.decode(packages.GREY))
    assert cloud.web.objects[f"/{capture.id}"] == packages.GREY
    assert journal.fates(tmp_path / "device") == {capture.id: "stored"}
    assert agent.spooled == 0
    counters = agent.counters()
    assert (counters.classified, counters.kept, counters.uploads) == (1, 1, 1)
    assert counters.http_bytes == len(packages.GREY)
    assert counters.mqtt_bytes > 0
    assert [swap.version for swap in counters.swaps] == ["v1"]


def test_a_put_carries_exactly_the_granted_headers(cloud: Cloud, start_agent: Start, feed: Feed) -> None:
    start_agent()
    cloud.offer(V1, "d1", ALL)
    feed.pour(packages.RED)

    cloud.wait(lambda: cloud.captures)
    ((_, headers),) = until(lambda: cloud.web.asked("PUT"))

    assert headers["x-capture"] == cloud.captures[0].id
    assert headers["content-type"] == "image/jpeg"
    assert headers["content-length"] == str(len(packages.RED))
    assert set(headers) == {"host", "accept-encoding", "content-length", "content-type", "x-capture"}


def test_unwanted_captures_are_freed(cloud: Cloud, start_agent: Start, feed: Feed) -> None:
    cloud.decide = lambda _: "drop"
    agent = start_agent()
    cloud.offer(V1, "d1", ALL)
    feed.pour(packages.RED)

    until(lambda: set(agent.journal().values()) == {"dropped:cloud:too many"})

    assert agent.spooled == 0
    assert cloud.web.asked("PUT") == []


@brokers.each
def test_a_put_alone_frees_nothing(cloud: Cloud, start_agent: Start, feed: Feed) -> None:
    cloud.confirms = False
    agent = start_agent()
    cloud.offer(V1, "d1", ALL)
    feed.pour(packages.RED)
    until(lambda: "uploaded" in agent.journal().values())
    assert agent.spooled == 1

    cloud.confirms = True  # the next announcement is answered from what is stored

    until(lambda: set(agent.journal().values()) == {"stored"})
    assert len({capture.id for capture in cloud.captures}) == 1


def test_without_an_answer_a_capture_is_announced_again(cloud: Cloud, start_agent: Start, feed: Feed) -> None:
    cloud.decide = lambda _: "upload" if len(cloud.captures) > 2 else None
    agent = start_agent(answer_after=0.1)
    cloud.offer(V1, "d1", ALL)
    feed.pour(packages.RED)

    until(lambda: set(agent.journal().values()) == {"stored"})

    assert len(cloud.captures) >= 3
    assert len({capture.id for capture in cloud.captures}) == 1


@pytest.mark.usefixtures("_impatient")
def test_an_expired_url_is_asked_for_again(cloud: Cloud, start_agent: Start, feed: Feed) -> None:
    agent = start_agent(answer_after=60.0)
    cloud.offer(V1, "d1", ALL)
    cloud.wait_model("v1")
    cloud.web.statuses = [403, 503, 500]
    feed.pour(packages.RED)

    until(lambda: set(agent.journal().values()) == {"stored"})

    assert len(cloud.web.asked("PUT")) == 4
    assert len(cloud.captures) == 2, "once at first, once after the refusal; a 5xx is retried with the same grant"
    assert any("403" in error for state in cloud.states for error in state.errors) or cloud.wait(
        lambda: any("403" in error for error in cloud.states[-1].errors)
    )


def test_images_that_cannot_be_read_are_counted_and_passed_over(cloud: Cloud, start_agent: Start, feed: Feed) -> None:
    start_agent()
    cloud.offer(V1, "d1", ALL)
    feed.pour(b"no image", packages.RED[:500], packages.GREEN)

    state = cloud.wait(lambda: next((s for s in cloud.states if s.classified == 1), None))

    assert state.dropped == {"bad-image": 2}
    assert len(state.errors) == 2


def test_a_bad_message_is_reported_and_the_next_one_processed(cloud: Cloud, start_agent: Start) -> None:
    start_agent()
    cloud.wait(lambda: cloud.states)
    for kind in ("grant", "desired"):
        cloud.say_raw(f"strop/{PROJECT}/{DEVICE}/{kind}", b"{not json")
    cloud.say_raw(f"strop/{PROJECT}/{DEVICE}/desired", b"", retain=True)
    cloud.offer(V1, "d1")

    cloud.wait_model("v1")

    errors = cloud.wait(lambda: next((s.errors for s in cloud.states if len(s.errors) >= 2), None))
    assert len([error for error in errors if "not JSON" in error]) == 2


@brokers.each
def test_requests_are_answered_on_both_topics(cloud: Cloud, start_agent: Start, feed: Feed) -> None:
    start_agent(alias="beverage_container")
    cloud.offer(packages.package(thresholds={"green": 0.9, "red": 0.9}), "d1")
    feed.pour(packages.GREEN)
    until(lambda: any(state.classified for state in cloud.states))

    cloud.say_raw(f"request/classify/{PROJECT}/{DEVICE}", b'{"id": "r1"}')
    cloud.say_raw("/request/classify/beverage_container", b"now, please")
    cloud.wait(lambda: len(cloud.answers) == 2)

    answers = dict(cloud.answers)
    own = answers[f"response/prediction/{PROJECT}/{DEVICE}"]
    alias = answers["/response/prediction/beverage_container"]
    assert (own.request, own.label, own.device, own.model) == ("r1", "green", DEVICE, "v1")
    assert (alias.request, alias.label) == (None, "green")
    assert own.confidence > 0.9


def test_a_request_takes_a_fresh_image_and_keeps_it_by_the_policy(cloud: Cloud, start_agent: Start) -> None:
    def camera() -> Iterator[bytes]:
        yield packages.RED
        yield packages.GREEN

    agent = start_agent(camera(), interval=3600)
    cloud.offer(V1, "d1", ALL)
    until(lambda: len(agent.journal()) == 1)

    cloud.say_raw(f"request/classify/{PROJECT}/{DEVICE}", b"")
    cloud.wait(lambda: cloud.answers)

    ((_, answer),) = cloud.answers
    assert answer.label == "green"
    until(lambda: list(agent.journal().values()) == ["stored", "stored"])


def test_a_request_before_the_first_model_or_image_is_answered_at_once(cloud: Cloud, start_agent: Start) -> None:
    start_agent()
    cloud.wait(lambda: cloud.states)
    cloud.say_raw(f"request/classify/{PROJECT}/{DEVICE}", b'{"id": "r1"}')
    cloud.wait(lambda: len(cloud.answers) == 1)
    cloud.offer(V1, "d1")
    cloud.wait_model("v1")
    cloud.say_raw(f"request/classify/{PROJECT}/{DEVICE}", b'{"id": "r2"}')
    cloud.wait(lambda: len(cloud.answers) == 2)

    first, second = (answer for _, answer in cloud.answers)
    assert (first.request, first.model, first.label, first.confidence) == ("r1", None, "", 0.0)
    assert first.message == "no model yet"
    assert (second.request, second.model, second.label, second.confidence) == ("r2", "v1", "", 0.0)
    assert second.message == "no image yet"


def test_a_device_that_is_not_enrolled_logs_it_repeatedly(
    cloud: Cloud, start_agent: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(agents, "FIRST_LINE", 0.1)
    monkeypatch.setattr(agents, "LINE_EVERY", 0.1)
    start_agent()
    hint = f"no model yet: the rollout has not reached this device, or the device is not enrolled ({ENROL})"

    until(lambda: caplog.messages.count(hint) >= 2)


def test_without_a_connection_no_line_mentions_enrolment(
    start_agent: Start, broker: brokers.Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broker.kill()
    monkeypatch.setattr(agents, "LINE_EVERY", 0.0)
    start_agent()

    until(lambda: sum("cannot reach the broker" in line for line in caplog.messages) >= 2)

    assert not any("no model yet" in line for line in caplog.messages)


def test_a_working_agent_logs_its_progress_periodically(
    cloud: Cloud,
    start_agent: Start,
    feed: Feed,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(agents, "LINE_EVERY", 0.1)
    start_agent()
    cloud.offer(V1, "d1", ALL)
    feed.pour(packages.RED)
    line = "1 image classified, 1 kept, 1 uploaded, 0.0 MB sent, 0 dropped; model v1"

    until(lambda: caplog.messages.count(line) >= 2)


def test_a_source_that_blocks_holds_up_nothing_else(cloud: Cloud, start_agent: Start) -> None:
    release = threading.Event()

    def camera() -> Iterator[bytes]:
        yield packages.RED
        release.wait(60)

    agent = start_agent(camera())
    cloud.offer(V1, "d1", ALL)
    until(lambda: "stored" in agent.journal().values())
    cloud.offer(V2, "d2", ALL)
    cloud.wait_outcome("d2")
    cloud.say_raw(f"request/classify/{PROJECT}/{DEVICE}", b"")
    cloud.wait(lambda: cloud.answers)

    agent.stop()
    assert agent.join(10), "nor the end"
    assert not agent.exhausted.is_set()
    release.set()


def test_a_broken_source_is_reported_and_the_spool_is_still_uploaded(cloud: Cloud, start_agent: Start) -> None:
    def camera() -> Iterator[bytes]:
        yield packages.RED
        raise OSError("no camera")

    agent = start_agent(camera())
    cloud.offer(V1, "d1", ALL)

    cloud.wait(lambda: any("no camera" in error for state in cloud.states for error in state.errors))
    until(lambda: set(agent.journal().values()) == {"stored"})
    assert agent.exhausted.is_set()


def test_two_agents_do_not_share_a_folder(start_agent: Start, broker: brokers.Broker, tmp_path: Path) -> None:
    start_agent()

    with pytest.raises(BadConfig, match="another agent"):
        Agent(Config(broker.url, PROJECT, "cam-2", tmp_path / "device"), [])


def test_a_large_spool_is_announced_at_a_measured_pace(
    cloud: Cloud, start_agent: Start, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "ANNOUNCEMENTS", 2)
    monkeypatch.setattr(agents, "TICK", 300.0)  # so that the test gives the beat
    cloud.decide = lambda _: None
    agent = start_agent()
    cloud.offer(V1, "d1", ALL)
    feed.pour(*[packages.RED] * 20)
    until(lambda: agent.counters().kept == 20)

    for announced in (2, 4):
        agent._wake.set()
        cloud.wait(lambda: len(cloud.captures) == announced)  # noqa: B023
        assert Counter(agent.journal().values()) == {"announced": announced, "kept": 20 - announced}


@brokers.each
def test_a_crash_of_the_broker_loses_no_capture(
    cloud: Cloud, start_agent: Start, feed: Feed, broker: brokers.Broker, caplog: pytest.LogCaptureFixture
) -> None:
    agent = start_agent(answer_after=2.0)  # the cloud may come back after the device
    cloud.offer(V1, "d1", ALL)
    cloud.wait_outcome("d1")

    broker.kill()
    until(lambda: any("connection to the broker was lost; trying again" in line for line in caplog.messages))
    feed.pour(*[packages.RED] * 3)
    until(lambda: agent.counters().kept == 3)
    assert set(agent.journal().values()) == {"kept"}
    broker.start()

    until(lambda: set(agent.journal().values()) == {"stored"})
    assert len(agent.journal()) == 3


@brokers.each
def test_a_broker_that_was_never_there_is_waited_for(
    start_agent: Start, feed: Feed, broker: brokers.Broker, web: object, tmp_path: Path
) -> None:
    broker.kill()
    start_agent()
    broker.start()
    cloud = Cloud(broker.url, web)  # type: ignore[arg-type]
    cloud.start()

    cloud.wait(lambda: cloud.states)
    cloud.stop()


@pytest.fixture
def beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """Whether the agent touches its file while we wait; it has little patience."""
    monkeypatch.setattr(heartbeat, "EVERY", 0.0)
    monkeypatch.setattr(source_reader, "PATIENCE", 0.1)
    alive = tmp_path / "device" / heartbeat.FILE

    def beats() -> bool:
        alive.unlink(missing_ok=True)
        time.sleep(3 * agents.TICK)
        return alive.exists()

    return beats


def test_the_heartbeat_stops_while_an_image_takes_too_long(
    cloud: Cloud, start_agent: Start, feed: Feed, beats: Callable[[], bool]
) -> None:
    agent = start_agent()
    cloud.offer(V1, "d1", ALL)
    cloud.wait_model("v1")

    until(beats)
    with agent._swapper.switching:  # no image is classified meanwhile
        feed.pour(packages.RED)
        until(lambda: not beats())
    until(beats)


def test_a_watched_folder_that_vanishes_is_reported_noticed_by_health_and_tried_again(
    cloud: Cloud, start_agent: Start, images: Path, beats: Callable[[], bool]
) -> None:
    agent = start_agent(source.watch(images))
    cloud.offer(V1, "d1", ALL)
    cloud.wait_model("v1")
    until(beats)

    images.rename(images.with_name("away"))
    cloud.wait(lambda: any("source: cannot read" in error for error in cloud.states[-1].errors))
    until(lambda: not beats())
    assert not agent.exhausted.is_set()

    images.mkdir()
    (images / "new.jpg").write_bytes(packages.RED)
    until(lambda: "stored" in agent.journal().values())
    until(beats)
