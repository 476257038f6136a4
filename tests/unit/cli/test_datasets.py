"""Which files of a folder tree become which keys, and what is reported of the others."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from strop_cli import base_images, datasets
from strop_cli.__main__ import cli
from strop_contracts import errors
from tests.unit.cli import hostile


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_images_of_both_splits_keep_label_and_name(tmp_path: Path) -> None:
    touch(tmp_path, "train/cup/a.jpg", "train/cup/deep/b.JPEG", "valid/can/c ü+.png", "valid/can/d.webp")

    _, files = base_images.find(tmp_path, "p", "base")

    names = ("train/cup/a.jpg", "train/cup/deep/b.JPEG", "valid/can/c ü+.png", "valid/can/d.webp")
    assert files == {name: tmp_path / name for name in names}


def test_files_in_no_folder_of_a_label_and_hidden_ones_are_left_out_and_named(tmp_path: Path) -> None:
    touch(tmp_path, "train/cup/a.jpg", "train/cup/.hidden.jpg", "train/.git/x.jpg", "test/cup/b.jpg", "train/c.jpg")

    found, _ = base_images.find(tmp_path, "p", "base")

    assert list(found.files) == ["train/cup/a.jpg"]
    assert found.report() == [
        "2 left out, hidden: train/.git, train/cup/.hidden.jpg",
        "2 left out, not below train/LABEL/ or valid/LABEL/: test/cup/b.jpg, train/c.jpg",
    ]


def test_a_folder_without_images_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(errors.Refused, match=r"expected .*/train/LABEL/"):
        base_images.find(tmp_path, "p", "base")


def test_a_label_that_cannot_be_one_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    touch(tmp_path, "train/cup/a.jpg", "train/a\tb/a.jpg")

    with pytest.raises(errors.Refused, match=r"train/a\tb: label .* holds U\+0009"):
        base_images.find(tmp_path, "p", "base")


def test_a_name_that_would_change_the_key_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "train/cup/a.jpg")

    with pytest.raises(errors.Refused, match="name of a data set"):
        base_images.find(tmp_path, "p", "a/b")


def test_a_hostile_tree_is_imported_as_far_as_it_can_be(tmp_path: Path) -> None:
    hostile.make(tmp_path / "train")

    found, _ = base_images.find(tmp_path, "p", "base")

    assert list(found.files) == [f"train/{path}" for path in hostile.FILES]
    assert found.problems.keys() == {f"train/{path}" for path in hostile.PROBLEMS}


def test_a_folder_in_which_nothing_can_be_used_is_refused_with_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "train/cup").mkdir(parents=True)
    (tmp_path / "train/cup/a.jpg").symlink_to("nowhere")

    with pytest.raises(
        errors.Refused, match=r"cannot use train/cup/a\.jpg: a link that leads nowhere\n.* has no images"
    ):
        base_images.find(tmp_path, "p", "base")


def test_nothing_is_deleted_for_a_folder_that_cannot_be_read_completely(tmp_path: Path) -> None:
    touch(tmp_path, "train/cup/a.jpg")
    (tmp_path / "train/cup/b.jpg").symlink_to("nowhere")

    done = CliRunner().invoke(cli, ["datasets", "import", "p", str(tmp_path), "--delete"])

    assert isinstance(done.exception, errors.Refused)
    assert "cannot use train/cup/b.jpg: a link that leads nowhere\n--delete needs" in str(done.exception)


def test_the_summary_names_what_is_refused_unusable_and_of_several_labels(tmp_path: Path) -> None:
    touch(tmp_path, "train/cup/a.jpg", "train/cup/notes.txt")
    (tmp_path / "train/cup/b.jpg").symlink_to("nowhere")
    used, files = base_images.find(tmp_path, "p", "base")
    conflict = "train/cup/1.jpg counts as 'cup', the newest place; the same image is also train/can/1.jpg"
    done = base_images.Imported(3, {"train/cup/a.jpg": "cannot be decoded"}, 2, [conflict] * 12)

    told = datasets.summary(used, files, done)

    assert told[:4] == [
        f"refused {tmp_path}/train/cup/a.jpg: cannot be decoded",
        "cannot use train/cup/b.jpg: a link that leads nowhere",
        "1 left out, no image by name: train/cup/notes.txt",
        "label conflict: train/cup/1.jpg counts as 'cup', the newest place; the same image is also train/can/1.jpg",
    ]
    assert told[-2:] == [
        "and 2 more label conflicts",
        "3 images accepted, 2 unchanged, 1 refused, 1 could not be used",
    ]
