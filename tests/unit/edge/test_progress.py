import dataclasses

import pytest

from strop_edge import progress
from strop_wire import reports

WORKED = progress.Counters("v1", 93, 17, 17, 1_100_000, 149_000, (), {})


def test_counters_read_as_a_sentence() -> None:
    line = str(WORKED)

    assert line == "93 images classified, 17 kept, 17 uploaded, 1.2 MB sent, 0 dropped; model v1"


def test_every_reason_of_loss_counts_as_dropped() -> None:
    line = str(dataclasses.replace(WORKED, classified=1, lost={"full": 2, "bad-image": 1}))

    assert line == "1 image classified, 17 kept, 17 uploaded, 1.2 MB sent, 3 dropped; model v1"


def test_without_a_model_the_line_states_it() -> None:
    assert str(dataclasses.replace(WORKED, model=None)).endswith("0 dropped; no model yet")


NOT_ENROLLED = (
    "no model yet: the rollout has not reached this device, or the device is not enrolled "
    "(strop devices add drinks cam-1)"
)
FAILED = reports.Outcome("d1", "failed", "no such file")


@pytest.mark.parametrize(
    ("expected", "answer", "line"),
    [
        (None, None, NOT_ENROLLED),
        ("v1", None, "no model yet: v1 is being fetched"),
        ("v2", FAILED, "no model yet: v2 is being fetched"),
        (None, FAILED, "no model yet: the one that came does not work (no such file)"),
    ],
    ids=["not enrolled", "on its way", "the next one on its way", "failed"],
)
def test_why_there_is_no_model(expected: str | None, answer: reports.Outcome | None, line: str) -> None:
    assert progress.no_model("drinks", "cam-1", expected, answer) == line
