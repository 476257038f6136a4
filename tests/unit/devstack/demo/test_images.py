"""What the demo makes of a folder of images, once, also of images that are not all of use."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from strop_contracts import errors
from strop_devstack.demo import images
from tests import factories
from tests.unit.cli import hostile


def nothing(_done: int, _total: int) -> None:
    pass


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Twelve good images of each of two labels, one of them in a deeper folder."""
    folder = tmp_path / "photographs"
    for number, label in enumerate(("cat", "dog")):
        (folder / label / "deep").mkdir(parents=True)
        for seed in range(12):
            where = folder / label / ("deep" if seed == 0 else "")
            (where / f"{seed}.jpg").write_bytes(factories.picture(100 * number + seed))
    return folder


def test_what_is_of_no_use_is_left_out_and_named(tmp_path: Path, photographs: Path) -> None:
    good = factories.picture(0)
    hostile.make(photographs, image=b"no image")
    (photographs / "cat/empty.jpg").touch()
    (photographs / "cat/cut.jpg").write_bytes(good[: len(good) // 2])
    (photographs / "dog/as-cat.jpg").write_bytes(good)
    (photographs / "beside.jpg").write_bytes(good)

    prepared = images.prepare(tmp_path / "out", photographs, nothing)

    assert prepared.labels == ("cat", "dog")
    assert (prepared.base, prepared.field, prepared.heldout) == (10, 10, 4)
    unused = "\n".join(prepared.unused)
    for path in ("cat/empty.jpg", "cat/cut.jpg", "rose/1.jpg", "rose/dangling.jpg", "rose/pipe.jpg"):
        assert f"cannot use {path}: " in unused
    assert "cannot use dog/as-cat.jpg: the same image as cat/deep/0.jpg, which has another label" in unused
    assert "1 left out, in no folder of a label: beside.jpg" in unused
    assert images.prepare(tmp_path / "out", photographs, nothing) == prepared


def test_too_few_images_that_are_left_are_refused_with_what_is_wrong(tmp_path: Path, photographs: Path) -> None:
    for seed in range(1, 4):
        (photographs / f"cat/{seed}.jpg").write_bytes(b"")

    with pytest.raises(errors.Refused, match="at least 10 images each, found cat 9, dog 12") as refused:
        images.prepare(tmp_path / "out", photographs, nothing)

    assert "cannot use cat/1.jpg: " in str(refused.value)


def test_every_image_is_written_once(tmp_path: Path, photographs: Path) -> None:
    prepared = images.prepare(tmp_path / "out", photographs, nothing)

    written = [path for part in images.SHARES for path in (tmp_path / "out" / part).rglob("*.jpg")]
    assert len(written) == len(prepared.truth()) == 24
    for path in written:
        with Image.open(path) as opened:
            opened.load()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for label in ("red", "green"):
        (tmp_path / "tree" / label).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (32, 32), (number, 0, len(label))).save(tmp_path / "tree" / label / f"{number}.jpg")
    return tmp_path / "tree"


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_whole_images_are_kept(tree: Path, tmp_path: Path) -> None:
    images.prepare(tmp_path / "demo", tree, lambda *_: None)

    images.prepare(tmp_path / "demo", tree, lambda *_: pytest.fail("made again"))


def _empty_image(folder: Path) -> None:
    next((folder / "field").rglob("*.jpg")).write_bytes(b"")


def _missing_image(folder: Path) -> None:
    next((folder / "base").rglob("*.jpg")).unlink()


def _empty_truth(folder: Path) -> None:
    (folder / "truth.json").write_bytes(b"")


def _cut_counts(folder: Path) -> None:
    (folder / "prepared.json").write_bytes(b'{"base": 8')


@pytest.mark.parametrize("damage", [_empty_image, _missing_image, _empty_truth, _cut_counts])
def test_damaged_images_are_made_again(tree: Path, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    folder = tmp_path / "demo"
    before = images.prepare(folder, tree, lambda *_: None)
    whole = contents(folder)
    damage(folder)

    assert images.prepare(folder, tree, lambda *_: None) == before
    assert contents(folder) == whole
