"""The lines of `strop datasets check`."""

from strop_cli import differences
from strop_contracts import control


def sample(*lines: str, total: int | None = None) -> control.Sample:
    return control.Sample(total=total or len(lines), first=list(lines))


def test_each_kind_of_fault_has_its_lines() -> None:
    checked = control.BaseImages(
        counts=[control.LabelCount(dataset="base", split="train", label="cat", images=1)],
        refused=sample("2.jpg: empty"),
        unused={"hidden": sample(".git", total=12)},
        gone=sample("1.jpg"),
        unseen=sample("3.jpg", total=3),
    )

    lines = differences.lines(checked, ["1.jpg counts as 'cat'"] * 11)

    assert lines[:2] == ["refused 2.jpg: empty", "label conflict: 1.jpg counts as 'cat'"]
    assert lines[-5:] == [
        "and 1 more label conflicts",
        "12 left out, hidden: .git …",
        "gone from the bucket, its row will be deleted: 1.jpg",
        "not processed yet: 3.jpg",
        "and 2 more not processed yet",
    ]
