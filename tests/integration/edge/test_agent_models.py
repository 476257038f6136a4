"""How the agent changes its model or its policy, against a real broker and a real HTTP server."""

import json
import signal
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil
import pytest

from strop_cli import model_keys
from strop_edge import deadline, manifest, trial
from strop_edge.agent import Agent
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


def test_a_policy_alone_is_applied_without_a_download(cloud: Cloud, start_agent: Start, feed: Feed) -> None:
    agent = start_agent()
    cloud.offer(V1, "d1", LOW_ONLY)
    cloud.wait_outcome("d1")
    feed.pour(packages.RED)
    until(lambda: agent.counters().classified == 1)

    cloud.offer(V1, "d2", ALL)
    state = cloud.wait_outcome("d2")
    feed.pour(packages.RED)
    cloud.wait(lambda: cloud.captures)

    assert state.policy == 7
    assert cloud.captures[0].policy == 7
    assert len(agent.counters().swaps) == 1
    assert len(cloud.fetches) == 3


@brokers.each
def test_a_new_model_brings_only_its_head(cloud: Cloud, start_agent: Start, feed: Feed) -> None:
    agent = start_agent()
    cloud.offer(V1, "d1", ALL)
    cloud.wait_outcome("d1")
    cloud.fetches.clear()

    cloud.offer(V2, "d2", ALL)
    cloud.wait_outcome("d2")
    feed.pour(packages.GREEN)
    cloud.wait(lambda: cloud.captures)

    assert cloud.captures[0].model == "v2"
    fetched = {sha for fetch in cloud.fetches for sha in fetch.files}
    assert fetched == {V2.files["model.json"].sha256, V2.files["head.onnx"].sha256}
    assert [swap.version for swap in agent.counters().swaps] == ["v1", "v2"]


def test_an_unsigned_model_is_answered_failed_and_the_running_one_stays(
    cloud: Cloud, start_agent: Start, tmp_path: Path
) -> None:
    model_keys.make(tmp_path)
    agent = start_agent(model_keys=tmp_path / model_keys.PUBLIC)
    cloud.offer(packages.signed(V1, tmp_path / model_keys.PRIVATE, PROJECT), "d1")
    cloud.wait_outcome("d1")

    cloud.offer(V2, "d2")
    state = cloud.wait_outcome("d2")

    assert state.answer
    assert state.answer.outcome == "failed"
    assert state.answer.reason == "the model is not signed, and this device accepts signed models only"
    assert (state.model, agent.counters().swaps[-1].version) == ("v1", "v1")


@pytest.mark.parametrize(
    "package",
    [packages.whole("v2"), packages.larger("v2"), packages.rebuilt("v2")],
    ids=["one file", "larger input", "rebuilt"],
)
def test_a_package_of_another_shape_is_fetched_and_classifies(
    cloud: Cloud, start_agent: Start, feed: Feed, package: packages.Package
) -> None:
    agent = start_agent()
    cloud.offer(V1, "d1", ALL)
    cloud.wait_outcome("d1")
    feed.pour(packages.RED)
    cloud.wait(lambda: cloud.captures)

    cloud.offer(package, "d2", ALL)
    state = cloud.wait_outcome("d2")
    feed.pour(packages.GREEN)
    cloud.wait(lambda: len(cloud.captures) > 1)

    assert state.answer
    assert state.answer.outcome == "installed"
    assert [(capture.model, capture.label) for capture in cloud.captures] == [("v1", "red"), ("v2", "green")]
    assert {sha for fetch in cloud.fetches for sha in fetch.files} >= {file.sha256 for file in package.files.values()}
    assert [swap.version for swap in agent.counters().swaps] == ["v1", "v2"]


def test_switches_under_load_split_the_counts_exactly(cloud: Cloud, start_agent: Start, feed: Feed) -> None:
    cloud.decide = lambda _: "drop"
    policy = messages.Policy(version=5, low=0.0, audit_rate=0.2, high_rate=0.0)
    agent = start_agent(interval=0.002)
    for number, package in enumerate((V1, V2, V1), 1):  # the last one is a rollback
        cloud.offer(package, f"d{number}", policy)
        feed.pour(*[packages.RED] * 180)
        cloud.wait_outcome(f"d{number}")
        feed.pour(*[packages.RED] * 20)  # with this model, however late it came
        until(partial(classified, agent, 200 * number))
    until(lambda: agent.spooled == 0)

    agent.stop()
    assert agent.join(60)
    cloud.wait(lambda: sum(sum(each.latency) for each in newest(cloud.states).values()) == 600)

    kept = Counter((each.model, each.policy) for each in {each.id: each for each in cloud.captures}.values())
    total = newest(cloud.states)
    assert Counter({key: each.kept.get("audit", 0) for key, each in total.items()}) == kept
    assert all(sum(map(sum, each.predictions.values())) == sum(each.latency) for each in total.values())
    assert set(total) == {("v1", 5), ("v2", 5)}


def classified(agent: Agent, images: int) -> bool:
    return agent.counters().classified == images


def newest(states: list[reports.State]) -> dict[tuple[str, int], reports.Usage]:
    """Return the latest counts of each model and policy."""
    return {(each.model, each.policy): each for state in states for each in state.usage}


def test_a_bad_model_changes_nothing_and_says_why(cloud: Cloud, start_agent: Start, feed: Feed) -> None:
    start_agent()
    cloud.offer(V1, "d1", ALL)
    cloud.wait_outcome("d1")
    broken = packages.package("v2", samples=[{**packages.sample(packages.RED), "probabilities": [0.0, 1.0, 0.0]}])

    cloud.offer(broken, "d2", ALL)
    state = cloud.wait_outcome("d2")
    feed.pour(packages.RED)
    cloud.wait(lambda: cloud.captures)

    assert state.answer is not None
    assert state.answer.outcome == "failed"
    assert "self-test" in state.answer.reason
    assert state.model == "v1"
    assert cloud.captures[0].model == "v1"


@pytest.mark.usefixtures("_impatient")
def test_a_bad_line_is_no_failure_of_the_model(cloud: Cloud, start_agent: Start) -> None:
    start_agent()
    cloud.web.statuses = [503] * 20
    cloud.offer(V1, "d1")
    cloud.wait(lambda: len(cloud.fetches) > 10 and cloud.states[-1].errors)

    state = cloud.wait_outcome("d1")

    assert state.answer == reports.Outcome("d1", "installed")
    assert len([error for error in state.errors if "503" in error]) == 1, "told once, however often it happens"


@pytest.fixture
def _short_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "DEADLINE", 5.0)


@pytest.mark.usefixtures("_short_trial")
def test_a_model_without_an_end_fails_and_the_old_one_goes_on(cloud: Cloud, start_agent: Start, feed: Feed) -> None:
    start_agent()
    cloud.offer(V1, "d1", ALL)
    cloud.wait_outcome("d1")

    cloud.offer(packages.package("v2", head=packages.endless()), "d2", ALL)
    feed.pour(packages.RED)
    cloud.wait(lambda: cloud.captures)
    state = cloud.wait_outcome("d2")

    assert state.answer == reports.Outcome("d2", "failed", "was not loaded and tested within 5 s")
    assert state.model == "v1"
    assert cloud.captures[0].model == "v1"


def test_the_next_model_ends_the_trial_of_one_without_an_end(cloud: Cloud, start_agent: Start) -> None:
    agent = start_agent()
    cloud.offer(packages.package("v1", head=packages.endless()), "d1", ALL)
    until(trials)

    cloud.offer(V2, "d2", ALL)
    state = cloud.wait_outcome("d2")

    assert state.answer == reports.Outcome("d2", "installed")
    assert [swap.version for swap in agent.counters().swaps] == ["v2"]
    assert not trials()


def test_an_agent_stops_during_the_trial_of_a_model_without_an_end(cloud: Cloud, start_agent: Start) -> None:
    agent = start_agent()
    cloud.offer(packages.package("v1", head=packages.endless()), "d1", ALL)
    until(trials)

    agent.stop()

    assert agent.join(10)
    assert not trials()


def trials() -> list[psutil.Process]:
    """The processes that try a model."""
    return [each for each in psutil.Process().children() if trial.__name__ in _command(each)]


def _command(process: psutil.Process) -> list[str]:
    """The command of a process; none if it has ended meanwhile."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # a zombie is one too
        return []


def test_a_module_in_the_current_folder_fails_no_trial(
    cloud: Cloud, start_agent: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "numpy.py").write_text("raise SystemExit('a foreign module')")
    monkeypatch.chdir(foreign)
    start_agent()

    cloud.offer(V2, "d1", ALL)

    assert cloud.wait_outcome("d1").answer == reports.Outcome("d1", "installed")


@pytest.mark.parametrize("signal_", [signal.SIGSEGV, signal.SIGKILL])
def test_a_model_that_crashes_its_trial_again_and_again_fails(
    cloud: Cloud, start_agent: Start, signal_: signal.Signals
) -> None:
    start_agent()
    cloud.offer(packages.package(f"v{signal_}", head=packages.endless()), "d1", ALL)

    crashed: set[int] = set()
    while len(crashed) < trial.TRIES:
        (process,) = until(lambda: [each for each in trials() if each.pid not in crashed])
        process.send_signal(signal_)
        crashed.add(process.pid)
    state = cloud.wait_outcome("d1")

    assert state.answer
    assert state.answer.outcome == "failed"
    assert "ended 3 times while it was loaded and tested" in state.answer.reason


def test_a_crash_is_counted_over_a_restart_of_the_agent(tmp_path: Path) -> None:
    package = packages.package("v1", head=packages.endless())
    file, folder = package.files["model.json"], package.write(tmp_path / "package")
    (tmp_path / trial.COUNT).write_text(json.dumps({"sha256": file.sha256, "tries": trial.TRIES}))

    with pytest.raises(manifest.BadModel, match="the device or the agent stopped each time"):
        trial.run(tmp_path, folder, file, 1, lambda: None)

    assert not (tmp_path / trial.COUNT).exists()


@pytest.mark.usefixtures("_short_run")
def test_an_image_without_an_end_is_counted_and_the_agent_goes_on(cloud: Cloud, start_agent: Start, feed: Feed) -> None:
    agent = start_agent()
    cloud.offer(packages.package("v1", head=packages.endless(7.0), samples=[]), "d1", ALL)
    cloud.wait_outcome("d1")

    feed.pour(packages.RED, packages.GREY)

    until(lambda: agent.counters().lost.get("bad-prediction") == 1 and agent.counters().classified == 1)
    state = cloud.wait(lambda: cloud.states[-1].errors and cloud.states[-1])
    assert "took more than 1 s" in state.errors[0]


@pytest.fixture
def _short_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "SECONDS", 1.0)


def test_a_failed_deployment_is_answered_again_but_not_tried_again(cloud: Cloud, start_agent: Start) -> None:
    start_agent(state_every=60.0)
    broken = packages.package("v2", labels=["red"])
    cloud.offer(broken, "d1")
    cloud.wait_outcome("d1")
    fetches, answers = len(cloud.fetches), len(cloud.states)

    cloud.offer(broken, "d1")
    cloud.wait(lambda: len(cloud.states) > answers)

    assert len(cloud.fetches) == fetches
    assert cloud.states[-1].answer == cloud.wait_outcome("d1").answer


def test_going_back_needs_no_download(cloud: Cloud, start_agent: Start) -> None:
    agent = start_agent()
    for package, deployment in ((V1, "d1"), (V2, "d2")):
        cloud.offer(package, deployment)
        cloud.wait_outcome(deployment)
    fetches = len(cloud.fetches)

    cloud.offer(V1, "d3")
    state = cloud.wait_outcome("d3")

    assert state.model == "v1"
    assert len(cloud.fetches) == fetches
    assert [swap.version for swap in agent.counters().swaps] == ["v1", "v2", "v1"]


@brokers.each
def test_a_restart_goes_on_with_model_policy_and_spool(cloud: Cloud, start_agent: Start, feed: Feed) -> None:
    cloud.decide = lambda _: None
    first = start_agent()
    cloud.offer(V1, "d1", ALL)
    feed.pour(packages.RED, packages.GREEN)
    until(lambda: first.counters().kept == 2)
    first.stop()
    assert first.join(30)
    cloud.decide = lambda _: "upload"
    fetches = len(cloud.fetches)

    second = start_agent()
    until(lambda: set(second.journal().values()) == {"stored"})

    assert len(second.journal()) == 2
    assert second.counters().swaps == ()
    assert len(cloud.fetches) == fetches
    state = cloud.wait(lambda: len({each.boot for each in cloud.states}) == 2 and cloud.states[-1])
    assert state.model == "v1"
    assert state.answer == reports.Outcome("d1", "installed")


def test_a_damaged_model_falls_back_and_is_fetched_again(
    cloud: Cloud, start_agent: Start, feed: Feed, tmp_path: Path
) -> None:
    first = start_agent()
    for package, deployment in ((V1, "d1"), (V2, "d2")):
        cloud.offer(package, deployment)
        cloud.wait_outcome(deployment)
    first.stop()
    assert first.join(30)
    (tmp_path / "device/models/files" / V2.files["head.onnx"].sha256).write_bytes(b"rotten")
    cloud.serves = False
    cloud.states.clear()

    second = start_agent()
    cloud.wait_model("v1")
    cloud.wait(lambda: any("does not load" in error for state in cloud.states for error in state.errors))
    cloud.serves = True
    cloud.say("grant", messages.Grant(files=(head_grant(cloud),)))

    until(lambda: [swap.version for swap in second.counters().swaps] == ["v2"])


def head_grant(cloud: Cloud) -> messages.FileGrant:
    file = V2.files["head.onnx"]
    return messages.FileGrant(file.sha256, file.size, f"{cloud.web.url}/{file.sha256}")
