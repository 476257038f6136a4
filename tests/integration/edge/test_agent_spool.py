"""What the agent does when its spool must lose something, against a real broker and a real HTTP server."""

from collections.abc import Callable

import pytest

from strop_edge import agent as agents
from strop_edge.agent import Agent
from strop_wire import ids, messages, reports
from tests import brokers
from tests.integration.edge.cloud import DEVICE, PROJECT, Cloud, Feed
from tests.unit.edge import packages

Start = Callable[..., Agent]

ALL = messages.Policy(version=7, audit_rate=1.0)
"""Keeps every image, as an audit."""
LOW_ONLY = messages.Policy(version=3, high_rate=0.0, audit_rate=0.0)
ENROL = f"strop devices add {PROJECT} {DEVICE}"
V1, V2 = packages.package("v1"), packages.package("v2", scale=5.0)


def test_a_full_spool_drops_the_oldest_and_reports_it(cloud: Cloud, start_agent: Start, feed: Feed) -> None:
    cloud.decide = lambda _: None
    agent = start_agent(spool_bytes=3 * len(packages.RED))
    cloud.offer(V1, "d1", ALL)
    feed.pour(*[packages.RED] * 5)

    state = cloud.wait(lambda: next((s for s in cloud.states if s.dropped.get("full") == 2), None))

    assert state.spool_items == 3
    assert list(agent.journal().values())[:2] == ["dropped:full"] * 2
    assert agent.counters().lost == {"full": 2}


@brokers.each
def test_a_capture_that_was_announced_and_lost_is_reported_until_answered(
    cloud: Cloud, start_agent: Start, feed: Feed, broker: brokers.Broker
) -> None:
    """The broker's acknowledgement is not enough, since it may forget: only an answer of the cloud's is."""
    cloud.decide, cloud.settles = lambda _: None, False
    agent = start_agent(spool_bytes=3 * len(packages.RED))
    cloud.offer(V1, "d1", ALL)
    feed.pour(*[packages.RED] * 3)
    cloud.wait(lambda: len({capture.id for capture in cloud.captures}) == 3)
    owed = tuple(reports.Lost(id_, "full") for id_ in list(dict.fromkeys(each.id for each in cloud.captures))[:2])
    feed.pour(*[packages.RED] * 2)

    cloud.wait(lambda: [state.lost for state in cloud.states].count(owed) >= 3)
    broker.kill()
    broker.start()
    before = len(cloud.states)
    cloud.wait(lambda: cloud.states[before:] and cloud.states[-1].lost == owed)
    cloud.settles = True
    cloud.wait(lambda: not cloud.states[-1].lost)

    assert [agent.journal()[each.capture] for each in owed] == ["dropped:full"] * 2
    assert agent.counters().lost == cloud.states[-1].dropped == {"full": 2}


def test_a_lost_capture_that_is_granted_is_reported_again(cloud: Cloud, start_agent: Start) -> None:
    start_agent()
    cloud.wait(lambda: cloud.states)
    asked = messages.CaptureGrant(ids.new_id(), "upload", f"{cloud.web.url}/nowhere")
    cloud.say("grant", messages.Grant((asked,)))

    state = cloud.wait(lambda: next((state for state in cloud.states if state.lost), None))
    assert state.lost == (reports.Lost(asked.capture, "unknown"),)


def test_many_lost_captures_are_reported_in_several_states(
    cloud: Cloud, start_agent: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "MAX_PAYLOAD", 700)
    start_agent()
    asked = [messages.CaptureGrant(ids.new_id(), "upload", f"{cloud.web.url}/nowhere") for _ in range(9)]
    cloud.wait(lambda: cloud.states)
    cloud.say("grant", messages.Grant(tuple(asked)))

    cloud.wait(lambda: {each.capture for s in cloud.states for each in s.lost} == {each.capture for each in asked})
    assert max(len(state.dumps()) for state in cloud.states) <= 700
