import json

import pytest

from trainer import training


class Clock:
    """The seconds that `time.monotonic` returns."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(training.time, "monotonic", made)  # type: ignore[attr-defined]
    return made


def test_the_time_left_follows_the_rate_of_the_step(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    report = training._Reporter()

    for seconds, done in ((0, 100), (2, 120), (8, 180), (12, 600)):
        clock.now = 100 + seconds
        report("tuning", done, 600)
    clock.now += 1
    report("judge", 1, 9)

    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    # Done before this process began does not count: 100 images came from a checkpoint.
    assert [each.get("left") for each in found] == [None, None, 42.0, None, None]


def test_a_step_that_begins_again_has_a_rate_of_its_own(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    report = training._Reporter()

    for seconds, done in ((0, 32), (100, 52), (200, 32), (210, 42)):
        clock.now = 100 + seconds
        report("features", done, 62)

    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each.get("left") for each in found] == [None, 50.0, None, 20.0]
