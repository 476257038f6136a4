"""Keep the environment that a shell had before out of the platform, its servers and its commands.

What is taken out, and what `no_proxy` gets, is listed in `isolate.sh`, once, for shells and for this module.
"""

import re
from collections.abc import MutableMapping
from fnmatch import fnmatchcase
from pathlib import Path

SHELL = Path(__file__).with_name("isolate.sh").read_text()
"""The head of a file that shells source: does for them what `clean` does for a process."""

_BUNDLES, _HERE = (names.split() for names in re.findall(r"^for strop_name in ([^$]+); do$", SHELL, re.MULTILINE))
_RULES = [
    (pattern, bool(unset))
    for patterns, unset in re.findall(r"^    ([A-Z].*?)\) (?:(unset)|:) ", SHELL, re.MULTILINE)
    for pattern in patterns.split(" | ")
]


def clean(env: MutableMapping[str, str]) -> None:
    """Do to an environment, such as that of this process and its children, what `isolate.sh` does to that of a shell."""
    for name in [name for name in env if _is_foreign(name)]:
        del env[name]
    for name in _BUNDLES:
        if not Path(env.get(name) or "/").exists():
            del env[name]
    either = env.get("no_proxy") or env.get("NO_PROXY") or ""
    env.update({name: _direct(env.get(name) or either) for name in ("no_proxy", "NO_PROXY")})


def _is_foreign(name: str) -> bool:
    """Return whether the list takes this variable out. Case does not count, as for the names of settings."""
    if name == "PYTHONPATH":  # what `start` left of it is where our packages are
        return False
    return next((unset for pattern, unset in _RULES if fnmatchcase(name.upper(), pattern)), False)


def _direct(no_proxy: str) -> str:
    """Add this machine's own addresses, unless they are there or every address is meant."""
    named = [name for name in no_proxy.split(",") if name]
    return no_proxy if "*" in named else ",".join([*named, *(each for each in _HERE if each not in named)])
