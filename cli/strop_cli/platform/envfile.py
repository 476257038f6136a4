"""A file of `export` lines: what a shell sources to use a running platform, and what our own commands read."""

import os
import shlex
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path


def write(path: Path, env: Mapping[str, str], head: str = "", programs: Sequence[Path] = ()) -> None:
    """Write the file, readable by its owner alone, whole or not at all.

    `head` is shell code that comes first. A shell that sources the file, once or again, finds the commands of the folders
    `programs` before others. `read` leaves out both.
    """
    lines = [*head.splitlines(), *(f"export {name}={_quoted(value)}" for name, value in env.items())]
    if programs:
        first = _quoted(":".join(map(str, programs)))
        lines.append(f'case "$PATH:" in {first}:*) : ;; *) PATH={first}:"$PATH" ;; esac')
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(os.fsencode("\n".join([*lines, ""])))
    new.replace(path)


def _quoted(value: str) -> str:
    return "'" + value.replace("'", r"'\''") + "'"


def read(path: Path) -> dict[str, str]:
    """Return what the file exports."""
    words = shlex.split(os.fsdecode(path.read_bytes()), comments=True)
    pairs = (word.split("=", 1) for before, word in pairwise(words) if before == "export")
    return {name: value for name, *values in pairs for value in values}
