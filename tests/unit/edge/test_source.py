from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from strop_edge import source
from strop_image import decoder
from strop_wire import messages


def test_a_folder_gives_each_image_once_sorted_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.JPG", "a.png", "sub/c.webp", "d.jpeg", "notes.txt", "e.gif"):
        (tmp_path / name).write_bytes(name.encode())

    assert list(source.folder(tmp_path)) == [b"a.png", b"b.JPG", b"d.jpeg", b"sub/c.webp"]


def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").mkdir()
    (tmp_path / "b.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "c.jpg").write_bytes(b"c")

    assert list(source.folder(tmp_path)) == [b"c"]


def test_a_giant_is_read_only_as_far_as_needed_to_refuse_it(tmp_path: Path) -> None:
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(10 * messages.MAX_IMAGE_BYTES)

    (data,) = source.folder(tmp_path)

    assert len(data) == messages.MAX_IMAGE_BYTES + 1
    with pytest.raises(decoder.BadImage, match="larger than 20,971,520 bytes"):
        decoder.decode(data)


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "LOOK_EVERY", 0.01)


def images(watched: Iterator[bytes | None], count: int) -> list[bytes]:
    return list(islice((data for data in watched if data is not None), count))


@pytest.mark.usefixtures("_quick")
def test_watching_gives_what_appears_or_changes_and_not_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "old.jpg").write_bytes(b"old")
    watched = source.watch(tmp_path)

    (tmp_path / "new.jpg").write_bytes(b"new")  # before anybody asks: a device without a model does not ask yet
    assert images(watched, 1) == [b"new"]

    (tmp_path / "old.jpg").write_bytes(b"changed")
    assert images(watched, 1) == [b"changed"]


@pytest.mark.usefixtures("_quick")
def test_a_file_that_still_grows_is_left_until_it_rests(tmp_path: Path) -> None:
    watched = source.watch(tmp_path)
    next(watched)
    path = tmp_path / "a.jpg"
    path.write_bytes(b"half and half")
    looks = iter([{path: (1, 4)}, {path: (2, 8)}, {path: (3, 13)}, {path: (3, 13)}])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "_stamps", lambda _: next(looks))

        assert images(watched, 1) == [b"half and half"]
    assert next(looks, None) is None


@pytest.mark.usefixtures("_quick")
def test_a_file_that_was_deleted_and_comes_back_is_new(tmp_path: Path) -> None:
    watched = source.watch(tmp_path)
    next(watched)
    path = tmp_path / "a.jpg"
    path.write_bytes(b"one")
    assert images(watched, 1) == [b"one"]

    path.unlink()
    path.write_bytes(b"two!")

    assert images(watched, 1) == [b"two!"]
