"""The demo's images, made once."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from strop_cli.demo import images


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
