"""A file of `export` lines: what a shell sources to talk to a running platform, and what our own commands read."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path


def write(path: Path, env: Mapping[str, str]) -> None:
    """Write the file, readable by its owner alone, whole or not at all."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        for name, value in env.items():
            quoted = value.replace("'", r"'\''")
            print(f"export {name}='{quoted}'", file=file)
    new.replace(path)


def read(path: Path) -> dict[str, str]:
    words = shlex.split(path.read_text(), comments=True)
    return dict(word.split("=", 1) for word in words if "=" in word)
