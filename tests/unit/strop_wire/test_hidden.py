"""Which files are never data."""

import pytest

from strop_wire import hidden


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".git/config", ".git"),
        ("rose/.ipynb_checkpoints/1-checkpoint.jpg", "rose/.ipynb_checkpoints"),
        ("rose/._1.jpg", "rose/._1.jpg"),
        ("__MACOSX/rose/._1.jpg", "__MACOSX"),
        ("rose/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg", "rose/@eaDir"),
        ("rose/Thumbs.db", "rose/Thumbs.db"),
        ("rose/THUMBS.DB", "rose/THUMBS.DB"),
    ],
)
def test_a_path_is_hidden_from_its_first_hidden_part_on(path: str, expected: str) -> None:
    assert hidden.part(path) == expected


@pytest.mark.parametrize("path", ["", "rose", "rose/1.jpg", "rose/1..jpg", "macosx/1.jpg", "a thumbs.db copy/1.jpg"])
def test_any_other_path_is_not_hidden(path: str) -> None:
    assert hidden.part(path) is None
