from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from strop_edge import counts
from strop_wire import messages, reports


@settings(deadline=None)
@given(st.floats(0, 1))
def test_a_bin_holds_its_confidence(confidence: float) -> None:
    number = counts.bin_of(confidence)

    assert 0 <= number < reports.BINS
    assert confidence == 1 or number == int(confidence * 10)


def test_predictions_are_counted_by_label_and_bin() -> None:
    tally = counts.Counts()
    for label, confidence in (("a", 0.05), ("a", 0.99), ("a", 1.0), ("b", 0.5)):
        tally.add(messages.Prediction(label, confidence))
    tally.lose("bad-image")

    classified, bins, lost = tally.snapshot()

    assert classified == 4
    assert bins == {"a": [1, 0, 0, 0, 0, 0, 0, 0, 0, 2], "b": [0, 0, 0, 0, 0, 1, 0, 0, 0, 0]}
    assert lost == Counter({"bad-image": 1})


def test_a_snapshot_does_not_change_when_counting_goes_on() -> None:
    tally = counts.Counts()
    tally.add(messages.Prediction("a", 0.5))
    _, bins, _ = tally.snapshot()

    tally.add(messages.Prediction("a", 0.5))

    assert bins["a"][5] == 1


def test_every_start_is_another_boot() -> None:
    assert counts.Counts().boot != counts.Counts().boot
