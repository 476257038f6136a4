"""A file of `export` lines: what a shell sources to talk to a running platform, and what our own commands read."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from strop_cli.platform.errors import PlatformError
from strop_edge import disk


def write(path: Path, env: Mapping[str, str], programs: Path | None = None) -> None:
    """Write the file, readable by its owner alone, whole or not at all.

    A shell that sources it finds the commands in the folder `programs` first; `read` leaves that line out.
    """
    lines = [f"export {name}={_quoted(value)}\n" for name, value in env.items()]
    if programs:
        lines.append(f'export PATH={_quoted(str(programs))}:"$PATH"\n')
    disk.write(path, os.fsencode("".join(lines)), mode=0o600)


def _quoted(value: str) -> str:
    return "'" + value.replace("'", r"'\''") + "'"


def read(path: Path) -> dict[str, str]:
    """Return what the file exports, but for PATH: that line is for shells, which know the rest of it."""
    try:
        words = shlex.split(path.read_text(), comments=True)
    except ValueError:
        words = []
    if not words:
        raise PlatformError(f"{path} is damaged: `strop up` on its folder writes it anew")
    env = dict(word.split("=", 1) for word in words if "=" in word)
    env.pop("PATH", None)
    return env
