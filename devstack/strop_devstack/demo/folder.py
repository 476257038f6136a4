"""The folder of a demo: a platform's folder in `platform`, and beside it what the demo adds (images, devices, models).

`strop.env` in it leads to that of the platform, so a demo and a `strop up` have it at the same place.
"""

import shutil
from pathlib import Path

from strop_contracts import errors

_MADE = ("devices", "models")


class Taken(errors.StropError):
    """The folder holds something that a demo would have to delete."""


def platform(state: Path) -> Path:
    return state / "platform"


def _marker(state: Path) -> Path:
    return state / ".strop-demo"


def check(state: Path) -> None:
    """Raise unless a demo may start here: in a new or empty folder, or in one that an earlier demo made."""
    if state.exists() and any(state.iterdir()) and not _marker(state).exists():
        raise Taken(
            f"{state} is not empty, and a demo starts from nothing: give another --state, or delete the folder. "
            f"`strop up --state {state}` continues what is in it"
        )


def renew(state: Path) -> None:
    """Start from nothing; prepared images stay, they cost most of the time."""
    state.mkdir(parents=True, exist_ok=True)
    _marker(state).touch()
    for folder in (platform(state), *(state / name for name in _MADE)):
        shutil.rmtree(folder, ignore_errors=True)
    _link(state)


def home(state: Path) -> Path:
    """Return where the platform of `strop up` is: in the folder itself, or where a demo began one."""
    return platform(state) if (platform(state) / "run").is_dir() else state


def adopt(state: Path) -> None:
    """Keep a platform that `strop up` continues: no demo deletes it from now on."""
    _marker(state).unlink(missing_ok=True)
    if home(state) != state:
        _link(state)


def _link(state: Path) -> None:
    link = state / "strop.env"
    if not link.is_symlink():
        link.symlink_to(platform(state).relative_to(state) / link.name)
