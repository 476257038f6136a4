import errno
import fcntl
import hashlib
import os
import sqlite3
from pathlib import Path

import pytest

from strop_edge import disk

SCHEMA = "CREATE TABLE IF NOT EXISTS t (x INTEGER)"


def test_writing_replaces_the_whole_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a"
    disk.write(path, b"first, and longer")
    disk.write(path, b"second")

    assert path.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_finds_no_room_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.write(tmp_path / "a", b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(OSError, match="No space left") as failed:
        disk.write(tmp_path / "a", b"data")
    assert disk.is_full(failed.value, tmp_path)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_a_file_is_on_the_disk_before_it_has_its_name_and_the_name_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen = tmp_path / "a", []
    sync = os.fsync

    def watched(file: int) -> None:
        seen.append((Path(f"/proc/self/fd/{file}").resolve() == tmp_path, path.exists()))
        sync(file)

    monkeypatch.setattr(os, "fsync", watched)
    disk.write(path, b"data")

    assert seen == [(False, False), (True, True)]


def test_a_file_for_its_owner_alone_never_is_open_to_others(tmp_path: Path) -> None:
    (tmp_path / "a").touch(0o644)

    disk.write(tmp_path / "a", b"secret", mode=0o600)

    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [None, b"", b"da", b"date"])
def test_a_missing_empty_cut_or_other_file_does_not_have_the_content(tmp_path: Path, content: bytes | None) -> None:
    path, sha256 = tmp_path / "a", hashlib.sha256(b"data").hexdigest()
    if content is not None:
        path.write_bytes(content)

    assert not disk.has(path, sha256)

    path.write_bytes(b"data")
    assert disk.has(path, sha256)


def test_what_a_killed_write_has_left_is_swept_and_a_write_in_progress_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".a.1.2").write_bytes(b"ha")
    sync = os.fsync

    def swept(file: int) -> None:
        disk.sweep(tmp_path)
        sync(file)

    monkeypatch.setattr(os, "fsync", swept)
    disk.write(tmp_path / "a", b"data")

    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"data"


def test_a_file_that_is_swept_before_it_is_locked_is_created_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, first = fcntl.flock, iter([True])

    def late(file: int, operation: int) -> None:
        if next(first, False):
            disk.sweep(tmp_path)
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    disk.write(tmp_path / "a", b"data")

    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_there_is_nothing_to_sweep_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    disk.sweep(tmp_path / "new")


def test_an_error_of_the_disk_is_no_lack_of_room(tmp_path: Path) -> None:
    assert not disk.is_full(OSError(errno.EIO, "broken"), tmp_path)
    assert not disk.is_full(sqlite3.OperationalError("disk I/O error"), tmp_path)


def test_a_folder_is_taken_once(tmp_path: Path) -> None:
    with disk.lock(tmp_path), pytest.raises(BlockingIOError):
        disk.lock(tmp_path)
    disk.lock(tmp_path).close()


def test_a_database_survives_being_opened_again(tmp_path: Path) -> None:
    first = disk.database(tmp_path / "db", SCHEMA)
    first.execute("INSERT INTO t VALUES (1)")
    first.close()

    again = disk.database(tmp_path / "db", SCHEMA)
    assert again.execute("SELECT x FROM t").fetchall() == [(1,)]
    assert not disk.aside(tmp_path / "db").exists()
    again.close()


def test_a_database_that_is_none_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(b"garbage" * 1000)

    fresh = disk.database(tmp_path / "db", SCHEMA)
    assert fresh.execute("SELECT count(*) FROM t").fetchone() == (0,)
    assert (tmp_path / "damaged-db").read_bytes().startswith(b"garbage")
    fresh.close()


def test_a_database_with_a_damaged_page_is_put_aside(tmp_path: Path) -> None:
    first = disk.database(tmp_path / "db", SCHEMA)
    first.executemany("INSERT INTO t VALUES (?)", ((number,) for number in range(5000)))
    first.close()
    whole = (tmp_path / "db").read_bytes()
    (tmp_path / "db").write_bytes(whole[:8192] + b"x" * 4096 + whole[12288:])

    fresh = disk.database(tmp_path / "db", SCHEMA)
    assert fresh.execute("SELECT count(*) FROM t").fetchone() == (0,)
    assert disk.aside(tmp_path / "db").exists()
    fresh.close()


def test_a_database_that_cannot_be_opened_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()

    with pytest.raises(sqlite3.OperationalError):
        disk.database(tmp_path / "db", SCHEMA)
    assert (tmp_path / "db").is_dir()
