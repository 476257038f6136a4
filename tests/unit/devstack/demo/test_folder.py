"""The folder of a demo: when it is renewed, when it is left alone, and where its platform is."""

from pathlib import Path

import pytest

from strop_devstack.demo import folder


def began(state: Path) -> None:
    """Leave what a demo leaves."""
    folder.renew(state)
    (state / "images").mkdir(exist_ok=True)
    (folder.platform(state) / "run").mkdir(parents=True)


def test_a_demo_starts_from_nothing_but_keeps_prepared_images(tmp_path: Path) -> None:
    began(tmp_path)

    folder.check(tmp_path)
    folder.renew(tmp_path)

    assert not folder.platform(tmp_path).exists()
    assert (tmp_path / "images").exists()


def test_a_folder_of_strop_up_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()

    with pytest.raises(folder.Taken, match=f"`strop up --state {tmp_path}` continues"):
        folder.check(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["postgres"]


def test_up_continues_the_platform_of_a_demo_and_no_demo_deletes_it_then(tmp_path: Path) -> None:
    began(tmp_path)

    assert folder.home(tmp_path) == folder.platform(tmp_path)
    folder.check(tmp_path)  # asking changes nothing
    folder.adopt(tmp_path)

    with pytest.raises(folder.Taken, match="not empty"):
        folder.check(tmp_path)


def test_up_in_the_folder_of_a_demo_that_prepared_images_only_keeps_it_from_the_next_demo(tmp_path: Path) -> None:
    folder.renew(tmp_path)

    folder.adopt(tmp_path)
    (tmp_path / "strop.env").unlink()
    (tmp_path / "strop.env").write_text("export A='b'")

    assert folder.home(tmp_path) == tmp_path
    with pytest.raises(folder.Taken, match="not empty"):
        folder.check(tmp_path)


def test_the_platform_of_another_folder_is_in_it(tmp_path: Path) -> None:
    assert folder.home(tmp_path / "new") == tmp_path / "new"
    folder.adopt(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_addresses_of_a_demo_are_where_those_of_up_are(tmp_path: Path) -> None:
    began(tmp_path)
    assert not (tmp_path / "strop.env").exists()

    (folder.platform(tmp_path) / "strop.env").write_text("export A='b'")

    assert (tmp_path / "strop.env").read_text() == "export A='b'"
