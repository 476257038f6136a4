from console import comparison
from strop_contracts import documents


def outcome(number: int, label: str, predicted: str) -> documents.Outcome:
    return documents.Outcome(
        sha256=f"{number:064x}", label=label, predicted=predicted, confidence=0.9, margin=0.8, passed=True, answers=()
    )


def test_labels_with_the_largest_loss_come_first() -> None:
    champion = [outcome(1, "can", "can"), outcome(2, "can", "jar"), outcome(3, "jar", "jar"), outcome(4, "jar", "jar")]
    challenger = [
        outcome(1, "can", "can"),
        outcome(2, "can", "can"),
        outcome(3, "jar", "can"),
        outcome(4, "jar", "jar"),
    ]

    found = comparison.compare(champion, challenger)

    assert [(row.name, row.gained, row.lost, row.words) for row in found.labels] == [
        ("jar", 0, 1, "-50.0"),
        ("can", 1, 0, "+50.0"),
    ]
    assert (found.total.images, found.total.before, found.total.after, found.total.words) == (4, 3, 3, "0")
    assert [(one.label, one.before, one.after, one.gained) for one in found.changed] == [
        ("jar", "jar", "can", False),
        ("can", "jar", "can", True),
    ]


def test_images_of_one_side_only_are_left_out() -> None:
    found = comparison.compare([outcome(1, "can", "can")], [outcome(1, "can", "can"), outcome(2, "can", "jar")])

    assert found.total.images == 1
