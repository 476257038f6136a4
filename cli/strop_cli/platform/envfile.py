"""A file of `export` lines: what a shell sources to talk to a running platform, and what our own commands read."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path


def write(path: Path, env: Mapping[str, str], programs: Path | None = None) -> None:
    """Write the file, readable by its owner alone, whole or not at all.

    A shell that sources it finds the commands in the folder `programs` first; `read` leaves that line out.
    """
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        for name, value in env.items():
            print(f"export {name}={_quoted(value)}", file=file)
        if programs:
            print(f'export PATH={_quoted(str(programs))}:"$PATH"', file=file)
    new.replace(path)


def _quoted(value: str) -> str:
    return "'" + value.replace("'", r"'\''") + "'"


def read(path: Path) -> dict[str, str]:
    """Return what the file exports, but for PATH: that line is for shells, which know the rest of it."""
    words = shlex.split(path.read_text(), comments=True)
    env = dict(word.split("=", 1) for word in words if "=" in word)
    env.pop("PATH", None)
    return env
