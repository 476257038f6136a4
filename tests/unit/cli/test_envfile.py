"""The file of addresses and credentials."""

import shutil
import subprocess
from pathlib import Path

import pytest

from strop_cli import envfile
from strop_contracts import errors

ENV = {"PLAIN": "http://127.0.0.1:1", "ODD": """it's "a" $HOME `test` \\ é=#""", "EMPTY": ""}
SHELLS = [name for name in ("bash", "dash", "zsh") if shutil.which(name)]
"""Every Debian has the first two."""


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_that_sources_it_and_we_read_the_same(shell: str, tmp_path: Path) -> None:
    path = tmp_path / "it's é" / "strop.env"
    path.parent.mkdir()

    envfile.write(path, ENV, head="SET=before; export SET\n# it's a comment")

    script = '. "$1"; printf "%s\\n" "$PLAIN" "$ODD" "$EMPTY" "$SET"'
    shown = subprocess.run([shell, "-c", script, "-", path], check=True, capture_output=True, text=True).stdout
    assert shown.splitlines() == [*ENV.values(), "before"]
    assert envfile.read(path) == ENV


def test_only_its_owner_may_read_it_even_where_an_open_one_was(tmp_path: Path) -> None:
    path = tmp_path / "strop.env"
    path.touch(0o644)

    envfile.write(path, ENV)

    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("shell", SHELLS)
def test_our_programs_come_first_in_the_path_and_only_once(shell: str, tmp_path: Path) -> None:
    path, programs = tmp_path / "strop.env", [tmp_path / "it's $HOME" / "bin", tmp_path / "é"]

    envfile.write(path, ENV, programs=programs)

    done = subprocess.run(
        [shutil.which(shell) or shell, "-c", '. "$1"; . "$1"; printf "%s" "$PATH"', "-", path],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert done.stdout == f"{programs[0]}:{programs[1]}:/usr/bin:/bin"
    assert envfile.read(path) == ENV


@pytest.mark.parametrize("content", [b"", b"export A='b", b"\xff\xfe"], ids=["empty", "cut", "noise"])
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "strop.env"
    path.write_bytes(content)

    with pytest.raises(errors.StropError, match=r"strop\.env is damaged: `strop up`"):
        envfile.read(path)
