"""The file of addresses and credentials."""

import subprocess
from pathlib import Path

import pytest

from strop_cli.platform import envfile
from strop_cli.platform.errors import PlatformError

ENV = {"PLAIN": "http://127.0.0.1:1", "ODD": """it's "a" $HOME `test` \\""", "EMPTY": ""}


def test_a_shell_that_sources_it_and_we_read_the_same(tmp_path: Path) -> None:
    path = tmp_path / "strop.env"

    envfile.write(path, ENV)

    script = 'source "$1"; printf "%s\\n" "$PLAIN" "$ODD" "$EMPTY"'
    shown = subprocess.run(["bash", "-c", script, "-", path], check=True, capture_output=True, text=True).stdout
    assert shown.splitlines() == list(ENV.values())
    assert envfile.read(path) == ENV


def test_only_its_owner_may_read_it_even_where_an_open_one_was(tmp_path: Path) -> None:
    path = tmp_path / "strop.env"
    path.touch(0o644)

    envfile.write(path, ENV)

    assert path.stat().st_mode & 0o777 == 0o600


def test_a_shell_finds_our_programs_first_and_its_own_still_and_we_keep_our_path(tmp_path: Path) -> None:
    path, programs = tmp_path / "strop.env", tmp_path / "it's $HOME" / "bin"

    envfile.write(path, ENV, programs=programs)

    done = subprocess.run(
        ["bash", "-c", 'source "$1"; printf "%s" "$PATH"', "-", path],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert done.stdout == f"{programs}:/usr/bin:/bin"
    assert envfile.read(path) == ENV


@pytest.mark.parametrize("content", [b"", b"export A='b", b"\xff\xfe"], ids=["empty", "cut", "noise"])
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "strop.env"
    path.write_bytes(content)

    with pytest.raises(PlatformError, match=r"strop\.env is damaged: `strop up`"):
        envfile.read(path)
