import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strop_edge import choose, counts
from strop_wire import messages, reports

UNCERTAIN = choose.Choice(True, "low", False, 1.0)
DROPPED = choose.Choice(False, "", False, 0.0)
MUCH = 100_000


def desired(model: str = "v1", policy: int = 1) -> messages.Desired:
    return messages.Desired("d1", model, {}, messages.Policy(version=policy))


def add(tally: counts.Counts, label: str = "a", confidence: float = 0.5, **changes: Any) -> None:
    arguments = {"desired": desired(), "choice": DROPPED, "seconds": 0.004, "novel": False, **changes}
    tally.add(best=messages.Prediction(label, confidence), **arguments)


def acknowledged(tally: counts.Counts, limit: int = MUCH) -> tuple[reports.Usage, ...]:
    usage = tally.usage(limit)
    tally.sent(usage, lambda: True)
    return usage


@settings(deadline=None)
@given(st.floats(0, 1))
def test_a_bin_holds_its_confidence(confidence: float) -> None:
    number = counts.bin_of(confidence)

    assert 0 <= number < reports.BINS
    assert confidence == 1 or number == int(confidence * 10)


@pytest.mark.parametrize(("seconds", "bucket"), [(0, 0), (0.001, 0), (0.0011, 1), (0.004, 2), (10, 12), (10.001, 13)])
def test_a_bucket_ends_with_its_bound(seconds: float, bucket: int) -> None:
    assert counts.bucket_of(seconds) == bucket


def test_predictions_are_counted_by_label_and_bin() -> None:
    tally = counts.Counts()
    for label, confidence in (("a", 0.05), ("a", 0.99), ("a", 1.0), ("b", 0.5)):
        add(tally, label, confidence)
    tally.lose("bad-image")

    (usage,) = tally.usage(MUCH)

    assert (usage.model, usage.policy) == ("v1", 1)
    assert usage.predictions == {"a": [1, 0, 0, 0, 0, 0, 0, 0, 0, 2], "b": [0, 0, 0, 0, 0, 1, 0, 0, 0, 0]}
    assert usage.latency == [0, 0, 4, *[0] * 11]
    assert tally.snapshot() == (4, Counter({"bad-image": 1}))


def test_images_are_counted_by_why_they_were_kept() -> None:
    tally = counts.Counts()
    add(tally, choice=UNCERTAIN, novel=True)
    add(tally, choice=choose.Choice(True, "low", True, 1.0))
    add(tally, choice=choose.Choice(True, "high", False, 0.1))
    add(tally, choice=choose.Choice(True, "audit", True, 0.1))
    tally.fail(desired())

    (usage,) = tally.usage(MUCH)

    assert usage.kept == {"low": 2, "high": 1, "audit": 2}
    assert (usage.rejected, usage.failed) == (1, 1)
    assert tally.snapshot() == (4, Counter({"bad-prediction": 1}))


def test_each_model_and_policy_has_its_own_counts() -> None:
    tally = counts.Counts()
    for model, policy in (("v1", 1), ("v1", 2), ("v2", 2), ("v1", 1)):
        add(tally, desired=desired(model, policy))

    usage = tally.usage(MUCH)

    assert [(each.model, each.policy, sum(each.latency)) for each in usage] == [
        ("v1", 1, 2),
        ("v1", 2, 1),
        ("v2", 2, 1),
    ]


def test_counts_are_reported_until_they_are_acknowledged() -> None:
    tally, acknowledgements = counts.Counts(), [False]
    add(tally)
    usage = tally.usage(MUCH)
    tally.sent(usage, lambda: acknowledgements[0])

    assert tally.usage(MUCH) == usage
    acknowledgements[0] = True
    assert tally.usage(MUCH) == ()


def test_what_is_counted_after_a_report_is_not_acknowledged_with_it() -> None:
    tally = counts.Counts()
    add(tally)
    usage = tally.usage(MUCH)
    add(tally)
    tally.sent(usage, lambda: True)

    (after,) = tally.usage(MUCH)

    assert after.predictions["a"][5] == 2
    assert usage[0].predictions["a"][5] == 1


def test_a_model_that_runs_again_continues_its_counts() -> None:
    tally = counts.Counts()
    add(tally, desired=desired("v1"))
    add(tally, desired=desired("v2"))
    acknowledged(tally)

    add(tally, desired=desired("v1"))

    assert [(each.model, each.predictions["a"][5]) for each in tally.usage(MUCH)] == [("v1", 2)]


def test_only_labels_that_changed_are_reported_again() -> None:
    tally = counts.Counts()
    add(tally, "a")
    add(tally, "b")
    acknowledged(tally)

    add(tally, "b")

    (usage,) = tally.usage(MUCH)
    assert usage.predictions == {"b": [0, 0, 0, 0, 0, 2, 0, 0, 0, 0]}
    assert sum(usage.latency) == 3


def test_all_counts_are_repeated_after_a_reconnect() -> None:
    tally = counts.Counts()
    add(tally, desired=desired("v1"))
    add(tally, desired=desired("v2"))
    before = acknowledged(tally)
    assert tally.usage(MUCH) == ()

    tally.repeat()

    assert tally.usage(MUCH) == before


@pytest.mark.parametrize("name", ["label-{}", "\u8d64" * 250 + "{}"])
def test_all_of_250_labels_arrive_in_states_within_the_limit(name: str) -> None:
    tally = counts.Counts()
    for number in range(250):
        for model in ("v1", "v2", "v3"):
            add(tally, name.format(number), desired=desired(model))

    arrived: Counter[str] = Counter()
    while usage := acknowledged(tally):
        assert len(json.dumps([each.predictions for each in usage], ensure_ascii=False).encode()) <= MUCH
        arrived.update(each.model for each in usage for _ in each.predictions)

    assert arrived == {"v1": 250, "v2": 250, "v3": 250}


def test_more_pairs_than_a_state_takes_follow_in_the_next() -> None:
    tally = counts.Counts()
    for policy in range(reports.MAX_USAGE + 1):
        add(tally, desired=desired(policy=policy))

    assert [each.policy for each in acknowledged(tally)] == list(range(reports.MAX_USAGE))
    assert [each.policy for each in acknowledged(tally)] == [reports.MAX_USAGE]


def test_every_start_is_another_boot() -> None:
    assert counts.Counts().boot != counts.Counts().boot
