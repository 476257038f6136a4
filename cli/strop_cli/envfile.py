"""A file of `export` lines, `strop.env`: a shell sources it, and the commands read it, to reach a running platform."""

import os
import shlex
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from strop_contracts import errors
from strop_edge import disk


def write(path: Path, env: Mapping[str, str], head: str = "", programs: Sequence[Path] = ()) -> None:
    """Write the file, readable by its owner alone, whole or not at all.

    `head` is shell code that comes first. A shell that sources the file, once or again, finds the commands of the folders
    `programs` before others. `read` leaves out both.
    """
    lines = [*head.splitlines(), *(f"export {name}={_quoted(value)}" for name, value in env.items())]
    if programs:
        first = _quoted(":".join(map(str, programs)))
        lines.append(f'case "$PATH:" in {first}:*) : ;; *) PATH={first}:"$PATH" ;; esac')
    disk.write(path, os.fsencode("\n".join([*lines, ""])), mode=0o600)


def _quoted(value: str) -> str:
    return "'" + value.replace("'", r"'\''") + "'"


def read(path: Path) -> dict[str, str]:
    """Return what the file exports. Raises StropError if the file is damaged."""
    try:
        words = shlex.split(os.fsdecode(path.read_bytes()), comments=True)
    except ValueError:
        words = []
    pairs = (word.split("=", 1) for before, word in pairwise(words) if before == "export")
    env = {name: value for name, *values in pairs for value in values}
    if not env:
        raise errors.StropError(f"{path} is damaged: `strop up` on its folder writes it anew")
    return env
