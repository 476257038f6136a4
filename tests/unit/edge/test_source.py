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


def test_what_is_no_file_is_passed_over_and_what_cannot_be_looked_at_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").mkdir()
    (tmp_path / "b.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "c.jpg").write_bytes(b"c")
    (tmp_path / "d.jpg").symlink_to("d.jpg")

    images = source.folder(tmp_path)

    assert list(images) == [b"c"]
    assert (
        images.failures.report() == f"cannot read {tmp_path / 'd.jpg'}: Too many levels of symbolic links; trying again"
    )


def test_a_giant_is_read_only_as_far_as_needed_to_refuse_it(tmp_path: Path) -> None:
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(10 * messages.MAX_IMAGE_BYTES)

    (data,) = source.folder(tmp_path)

    assert data is not None
    assert len(data) == messages.MAX_IMAGE_BYTES + 1
    with pytest.raises(decoder.BadImage, match="larger than 20,971,520 bytes"):
        decoder.decode(data)
