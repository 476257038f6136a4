"""Which files of a folder tree become which keys."""

from pathlib import Path

import pytest

from strop import errors
from strop_cli import datasets


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_images_of_both_splits_keep_label_and_name(tmp_path: Path) -> None:
    touch(tmp_path, "train/cup/a.jpg", "train/cup/deep/b.JPEG", "valid/can/c ü+.png", "valid/can/d.webp")

    assert datasets.tree("p", tmp_path, "base") == {
        "p/datasets/base/train/cup/a.jpg": tmp_path / "train/cup/a.jpg",
        "p/datasets/base/train/cup/deep/b.JPEG": tmp_path / "train/cup/deep/b.JPEG",
        "p/datasets/base/valid/can/c ü+.png": tmp_path / "valid/can/c ü+.png",
        "p/datasets/base/valid/can/d.webp": tmp_path / "valid/can/d.webp",
    }


def test_other_files_and_hidden_ones_stay_behind(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "train/cup/a.jpg",
        "train/cup/notes.txt",
        "train/cup/.hidden.jpg",
        "train/.git/x.jpg",
        "test/cup/b.jpg",
    )

    assert list(datasets.tree("p", tmp_path, "base")) == ["p/datasets/base/train/cup/a.jpg"]


def test_a_folder_without_images_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(errors.Refused, match=r"expected .*/train/LABEL/"):
        datasets.tree("p", tmp_path, "base")


def test_a_label_that_cannot_be_one_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    touch(tmp_path, "train/cup/a.jpg", "train/a\tb/a.jpg")

    with pytest.raises(errors.Refused, match=r"train/a\tb: label .* holds U\+0009"):
        datasets.tree("p", tmp_path, "base")


def test_a_name_that_would_change_the_key_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "train/cup/a.jpg")

    with pytest.raises(errors.Refused, match="name of a data set"):
        datasets.tree("p", tmp_path, "a/b")


def test_what_is_left_out_is_counted_and_the_first_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "train/cup/a.jpg", "train/cup/.hidden", ".git/x", "valid/cup/b.png")
    taken = datasets.tree("p", tmp_path, "base").values()
    assert datasets.left_out(tmp_path, taken) == ""

    touch(tmp_path, "notes.txt")
    assert datasets.left_out(tmp_path, taken) == "1 file left out: notes.txt"

    touch(tmp_path, "test/cup/c.jpg", "train/cup/d.gif", "train/e.jpg")
    assert datasets.left_out(tmp_path, taken) == "4 files left out: notes.txt, test/cup/c.jpg, train/cup/d.gif …"
