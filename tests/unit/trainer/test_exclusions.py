"""When images that cannot be used are too many."""

import pytest

from strop_contracts import documents
from trainer import exclusions
from trainer.backends import base


def item(number: int, label: str = "cup", part: str = "train") -> documents.Item:
    return documents.Item(sha256=f"sha{number}", source=f"key{number}", label=label, part=part, origin="base", group="")


ITEMS = [item(number, "cup" if number % 2 else "can") for number in range(100)]


def bad(*numbers: int) -> dict[str, str]:
    return {f"sha{number}": "cut\noff" for number in numbers}


def test_what_is_good_stays_in_its_order() -> None:
    assert exclusions.split(ITEMS, {}) == (tuple(ITEMS), [])


@pytest.mark.parametrize("numbers", [(7,), range(5)])
def test_a_share_of_five_percent_is_left_out(numbers: range) -> None:
    kept, skipped = exclusions.split(ITEMS, bad(*numbers))

    assert [each.source for each in skipped] == [f"key{number}" for number in numbers]
    assert len(kept) == 100 - len(numbers)


def test_more_ends_the_training_and_some_are_named_in_one_line() -> None:
    with pytest.raises(base.CannotTrain) as caught:
        exclusions.split(ITEMS, bad(*range(8)))

    assert str(caught.value) == (
        "8 of 100 images cannot be used: key0: cut off; key1: cut off; key2: cut off; key3: cut off; key4: cut off; "
        "and 3 more. At most 5% may be left out"
    )


def test_one_bad_image_never_ends_a_small_training() -> None:
    kept, skipped = exclusions.split(ITEMS[:4], bad(1))

    assert (len(kept), len(skipped)) == (3, 1)


def test_a_label_without_images_left_ends_the_training() -> None:
    with pytest.raises(base.CannotTrain, match="No training image of mug is left"):
        exclusions.split([*ITEMS, item(100, "mug"), item(101, "mug", "valid")], bad(100))
