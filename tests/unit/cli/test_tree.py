"""Folders of people's own files: what is taken, what is left out, what cannot be used and why."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from strop_cli import tree
from strop_contracts import errors
from tests.unit.cli import hostile


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    return tmp_path / "images"


def test_whatever_lies_in_a_folder_is_taken_or_named(folder: Path) -> None:
    hostile.make(folder)

    found = tree.walk(folder)

    assert list(found.files) == hostile.FILES
    assert all(file.is_file() for file in found.files.values())
    assert found.left_out == hostile.LEFT_OUT
    assert found.problems.keys() == hostile.PROBLEMS.keys()
    assert all(reason in found.problems[path] for path, reason in hostile.PROBLEMS.items())


def test_each_problem_is_a_line_and_each_reason_to_leave_out_is_one(folder: Path) -> None:
    hostile.make(folder)

    report = tree.walk(folder).report()

    assert len(report) == len(hostile.PROBLEMS) + 2
    assert "cannot use rose/dangling.jpg: a link that leads nowhere" in report
    assert report[-2].startswith("6 left out, hidden: .git, __MACOSX, rose/._1.jpg")
    assert report[-1] == "2 left out, no image by name: rose/notes.txt, rose/two\\nlines.txt"
    assert all(line.isprintable() for line in report)


def test_of_many_files_left_out_the_first_are_named() -> None:
    (line,) = tree.left_out({f"{number:02}.txt": "no image by name" for number in range(12)})

    assert line.startswith("12 left out, no image by name: 00.txt, 01.txt")
    assert line.endswith("09.txt …")


@contextmanager
def deep(folder: Path, name: str, levels: int) -> Iterator[None]:
    """Folders in each other with an image in the last; removed after the test, as `shutil.rmtree` could not do it."""
    here = Path.cwd()
    os.chdir(folder)
    for _ in range(levels):
        Path(name).mkdir()
        os.chdir(name)
    Path("1.jpg").touch()
    os.chdir(here)
    try:
        yield
    finally:
        subprocess.run(["rm", "-rf", folder / name], check=True)


def test_folders_may_lie_deeper_than_functions_may_call_themselves(folder: Path) -> None:
    with deep(folder, "d", levels=1500):
        found = tree.walk(folder)

    assert [path.count("/") for path in found.files] == [1500]
    assert not found.keys("p/")
    assert list(found.problems.values()) == ["its key in S3 would be longer than 1024 bytes"]


def test_a_folder_that_cannot_be_opened_is_named_and_its_neighbours_are_read(folder: Path) -> None:
    (folder / "a").mkdir()
    (folder / "a/1.jpg").touch()

    with deep(folder, "d" * 200, levels=30):  # longer than any path that the system takes
        found = tree.walk(folder)

    assert list(found.files) == ["a/1.jpg"]
    assert list(found.problems.values()) == ["File name too long"]


@pytest.mark.parametrize(("name", "reason"), [("nowhere", "No such file"), ("file", "Not a directory")])
def test_a_folder_that_is_none_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(errors.Refused, match=f"{name} cannot be read: {reason}"):
        tree.walk(tmp_path / name)
