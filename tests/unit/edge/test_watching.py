import os
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from strop_edge import folder_scan, source, watching

LOOKS = 20
"""More than any change needs to be noticed."""


@pytest.fixture(autouse=True)
def _each_next_is_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "SCAN_EVERY", 0.0)
    monkeypatch.setattr(watching, "SHARE", float("inf"))  # complete looks only


@pytest.fixture
def _quick_looks_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first look, which is a complete one."""
    monkeypatch.setattr(watching, "SHARE", 1e-9)


def seen(watched: Iterator[bytes | None], looks: int = LOOKS) -> list[bytes]:
    return [data for data in islice(watched, looks) if data is not None]


def test_watching_gives_what_appears_or_changes_and_not_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "old.jpg").write_bytes(b"old")
    watched = source.watch(tmp_path)

    (tmp_path / "new.jpg").write_bytes(b"new")  # before anybody asks: a device without a model does not ask yet
    assert seen(watched) == [b"new"]

    (tmp_path / "old.jpg").write_bytes(b"changed")
    assert seen(watched) == [b"changed"]


@pytest.mark.usefixtures("_quick_looks_only")
def test_quick_looks_find_new_files_and_folders_and_what_changed_last(tmp_path: Path) -> None:
    (tmp_path / "latest.jpg").write_bytes(b"old")
    (tmp_path / "day1").mkdir()
    (tmp_path / "day1" / "a.jpg").write_bytes(b"old")
    watched = source.watch(tmp_path)

    (tmp_path / "latest.jpg").write_bytes(b"latest")
    assert seen(watched) == [b"latest"]
    (tmp_path / "day1" / "b.jpg").write_bytes(b"same day")
    assert seen(watched) == [b"same day"]
    (tmp_path / "day2" / "hour1").mkdir(parents=True)
    (tmp_path / "day2" / "hour1" / "c.jpg").write_bytes(b"next day")
    assert seen(watched) == [b"next day"]
    (tmp_path / "day2" / "hour1" / "d.jpg").write_bytes(b"in a folder that is new itself")
    assert seen(watched) == [b"in a folder that is new itself"]


def test_a_change_that_quick_looks_do_not_see_is_found_by_the_next_complete_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "RECENT", 0)
    (tmp_path / "old.jpg").write_bytes(b"old")
    watched = source.watch(tmp_path)

    (tmp_path / "old.jpg").write_bytes(b"changed")

    assert seen(watched) == [b"changed"]


def test_complete_looks_take_no_more_than_their_share_of_a_core(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "SHARE", 0.001)
    looks = []
    whole = folder_scan.scan

    def counted(root: str) -> Any:
        looks.append(root)
        return whole(root)

    monkeypatch.setattr(folder_scan, "scan", counted)
    for number in range(2000):
        (tmp_path / f"{number}.jpg").touch()

    seen(source.watch(tmp_path), 1000)

    assert len(looks) < 10


def test_a_file_that_still_grows_is_left_until_it_rests(tmp_path: Path) -> None:
    watched = source.watch(tmp_path)
    path = tmp_path / "a.jpg"
    for part in (b"half", b" and", b" half"):
        with path.open("ab") as file:
            file.write(part)
        assert next(watched) is None

    assert seen(watched) == [b"half and half"]


def test_a_file_that_was_deleted_and_comes_back_changed_is_new(tmp_path: Path) -> None:
    watched = source.watch(tmp_path)
    path = tmp_path / "a.jpg"
    path.write_bytes(b"one")
    assert seen(watched) == [b"one"]

    path.unlink()
    assert seen(watched) == []
    path.write_bytes(b"two!")

    assert seen(watched) == [b"two!"]


def test_a_share_that_is_mounted_again_yields_no_old_images(tmp_path: Path) -> None:
    share, away = tmp_path / "share", tmp_path / "away"
    share.mkdir()
    (share / "old.jpg").write_bytes(b"old")
    watched = source.watch(share)

    share.rename(away)
    share.mkdir()  # where it was mounted
    assert seen(watched) == []
    share.rmdir()
    assert seen(watched) == []
    away.rename(share)
    (share / "new.jpg").write_bytes(b"new")

    assert seen(watched) == [b"new"]


def test_what_is_remembered_of_files_that_have_gone_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "GONE", 2)
    (tmp_path / "always.jpg").symlink_to("always.jpg")
    files = [tmp_path / f"{number}.jpg" for number in range(4)]
    watched = source.watch(tmp_path)
    for file in files:
        file.write_bytes(file.name.encode())
        os.utime(file, (1, 1))
        assert seen(watched) == [file.name.encode()]
    away = tmp_path.with_name("away")
    away.mkdir()
    for file in files:
        shutil.copy2(file, away)
    for file in files:
        file.unlink()
    assert seen(watched) == []

    shutil.copytree(away, tmp_path, dirs_exist_ok=True)

    assert seen(watched) == [b"0.jpg", b"1.jpg"]


def test_a_folder_that_vanishes_is_reported_once_and_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    watched = watching.Watch(folder, Path.read_bytes)
    folder.rmdir()

    assert seen(watched, 5) == []
    assert watched.failures.report() == f"cannot read {folder}: No such file or directory; trying again"
    assert watched.failures.report() is None
    assert watched.blind
    assert seen(watched, 5) == []
    assert watched.failures.report() == f"cannot read {folder}: No such file or directory; 10 scans have failed"

    assert seen(watched, 20) == []
    assert watched.failures.report() is None

    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"a")
    assert seen(watched) == [b"a"]
    assert watched.failures.report() is None
    assert not watched.blind


def test_what_was_in_a_folder_that_could_not_be_looked_at_at_first_is_old(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    watched = source.watch(folder)
    assert seen(watched) == []

    folder.mkdir()
    (folder / "old.jpg").write_bytes(b"old")
    assert seen(watched) == []
    (folder / "new.jpg").write_bytes(b"new")
    assert seen(watched) == [b"new"]


def test_what_cannot_be_looked_at_is_skipped_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "latest.jpg").symlink_to("latest.jpg")
    watched = source.watch(tmp_path)

    (tmp_path / "a.jpg").write_bytes(b"a")

    assert seen(watched, 5) == [b"a"]
    assert "Too many levels of symbolic links" in str(watched.failures.report())


def test_a_file_that_cannot_be_read_is_reported_and_tried_again(tmp_path: Path) -> None:
    broken = {"a.jpg"}

    def read(path: Path) -> bytes:
        if path.name in broken:
            raise PermissionError(13, "Permission denied")
        return path.read_bytes()

    watched = watching.Watch(tmp_path, read)
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(name.encode())

    assert seen(watched, 5) == [b"b.jpg"]
    assert watched.failures.report() == f"cannot read {tmp_path / 'a.jpg'}: Permission denied; trying again"
    broken.clear()
    assert seen(watched) == [b"a.jpg"]


def test_folders_that_are_deleted_during_a_look_are_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "day1").mkdir()
    watched = source.watch(tmp_path)
    scan = os.scandir

    def vanish(folder: str) -> object:
        entries = scan(folder)
        if (tmp_path / "day1").exists():
            (tmp_path / "day1").rmdir()
        return entries

    monkeypatch.setattr(os, "scandir", vanish)
    assert seen(watched) == []
    assert watched.failures.report() is None
