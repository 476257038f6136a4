"""Which of a model's labels are answered."""

from typing import Any

import pytest

from custom_labels.hosting import detect, framing

SAID: framing.Detection = {
    "ranked": [("rose", 0.7), ("tulip", 0.25), ("iris", 0.05)],
    "answers": ["rose", "iris"],
    "novel": False,
}


def names(request: dict[str, Any], threshold: float | None = None, *, novel: bool = False) -> list[str | float]:
    return [each["Name"] for each in detect.choose({**SAID, "novel": novel}, request, threshold)]


def test_labels_have_thresholds_of_their_own() -> None:
    assert names({}) == ["rose", "iris"]


@pytest.mark.parametrize(
    ("least", "found"), [(0, ["rose", "tulip", "iris"]), (25, ["rose", "tulip"]), (25.1, ["rose"]), (99, [])]
)
def test_a_minimum_of_the_callers_takes_their_place(least: float, found: list[str]) -> None:
    assert names({"MinConfidence": least}) == found


def test_a_threshold_of_the_version_takes_their_place_too() -> None:
    assert names({}, 25) == ["rose", "tulip"]
    assert names({"MinConfidence": 60}, 25) == ["rose"]


def test_the_surest_labels_come_first_and_only_so_many_as_are_wanted() -> None:
    assert names({"MinConfidence": 0, "MaxResults": 2}) == ["rose", "tulip"]
    assert names({"MaxResults": 0}) == []


@pytest.mark.parametrize("request_", [{}, {"MinConfidence": 0.1}])
def test_an_image_of_nothing_known_has_no_labels(request_: dict[str, Any]) -> None:
    assert names(request_, novel=True) == []
    assert names(request_, threshold=1, novel=True) == []


def test_all_labels_are_all_also_of_an_image_of_nothing_known() -> None:
    assert names({"MinConfidence": 0}, novel=True) == ["rose", "tulip", "iris"]


def test_confidences_are_percent() -> None:
    assert detect.choose(SAID, {}, None)[0] == {"Name": "rose", "Confidence": 70.0}
