"""The sentence about images that cannot be used."""

import pytest

from strop import unusable

IMAGES = [(f"{number}.jpg", "cut\n off") for number in range(7)]


@pytest.mark.parametrize(
    ("count", "total", "expected"),
    [
        (1, None, "1 image cannot be used: 0.jpg: cut off"),
        (2, None, "2 images cannot be used: 0.jpg: cut off; 1.jpg: cut off"),
        (1, 1, "1 of 1 image cannot be used: 0.jpg: cut off"),
        (1, 40, "1 of 40 images cannot be used: 0.jpg: cut off"),
    ],
)
def test_images_are_counted_and_named(count: int, total: int | None, expected: str) -> None:
    assert unusable.sentence(IMAGES[:count], total) == expected


def test_of_many_images_the_first_five_are_named() -> None:
    assert unusable.sentence(IMAGES).endswith("; 4.jpg: cut off; and 2 more")
