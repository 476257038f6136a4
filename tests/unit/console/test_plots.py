import xml.etree.ElementTree as ET

import pytest

from console import plots
from strop_contracts import documents

EMPTY = documents.Bin(images=0, right=0, confidence=0.0)
TEXT = "{http://www.w3.org/2000/svg}text"


def texts(svg: bytes) -> list[str]:
    return ["".join(node.itertext()) for node in ET.fromstring(svg).iter(TEXT)]


def confusion(size: int) -> bytes:
    names = [f"label {number}" for number in range(size)]
    counts = [[3 if row == column else row == 0 and column == 1 for column in range(size)] for row in range(size)]
    return plots.svg(plots.confusion(documents.Confusion.model_validate({"labels": names, "counts": counts})), "light")


def test_a_confusion_matrix_names_its_labels_on_both_sides_and_counts() -> None:
    found = texts(confusion(3))

    assert found.count("label 1") == 2
    assert found.count("3") == 3
    assert {"True", "Predicted"} <= set(found)


def test_a_matrix_of_many_labels_leaves_the_numbers_out() -> None:
    found = texts(confusion(100))

    assert found.count("label 99") == 2
    assert "3" not in found


@pytest.mark.parametrize("name", ["$x^2$", "桜", "<b>&"])
def test_any_name_of_a_label_is_drawn_as_it_is(name: str) -> None:
    found = plots.svg(plots.confusion(documents.Confusion(labels=(name, "b"), counts=((1, 0), (0, 0)))), "dark")

    assert texts(found).count(name) == 2


def test_a_long_label_leaves_room_for_the_matrix() -> None:
    found = plots.svg(plots.confusion(documents.Confusion(labels=("x" * 255, "b"), counts=((1, 0), (0, 0)))), "dark")

    assert texts(found).count("x" * 23 + "…") == 2


def test_calibration_shows_bins_that_hold_images() -> None:
    bins = [EMPTY, documents.Bin(images=4, right=3, confidence=3.2)]

    assert "Confidence" in texts(plots.svg(plots.calibration(bins), "light"))


def test_calibration_of_nothing_is_drawn_too() -> None:
    assert plots.svg(plots.calibration([EMPTY] * 10), "light")
