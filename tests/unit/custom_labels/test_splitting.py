"""The fifth that becomes the test set."""

from collections import Counter

from custom_labels.datasets import splitting


def test_a_fifth_of_each_label_is_chosen_the_same_each_time() -> None:
    entries = [(f"s3://b/{label}/{number}.jpg", (label,)) for label in ("rose", "tulip") for number in range(60)]

    chosen = splitting.fifth(entries)

    assert Counter(ref.split("/")[3] for ref in chosen) == {"rose": 12, "tulip": 12}
    assert splitting.fifth(reversed(entries)) == [*chosen[12:], *chosen[:12]]


def test_a_label_keeps_at_least_two_of_its_images() -> None:
    sizes = {count: len(splitting.fifth((f"{number}", ("rose",)) for number in range(count))) for count in range(6)}

    assert sizes == {0: 0, 1: 0, 2: 0, 3: 1, 4: 1, 5: 1}
