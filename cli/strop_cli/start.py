"""Start the `strop` command, and its child processes, with the modules of its own installation only.

A folder in PYTHONPATH, or the current folder, may have a `strop`, a `json` or a `random` of its own. Before the check
nothing is imported but what every interpreter has loaded already.
"""

# ruff: noqa: PTH100, PTH109, PTH120, S606 - pathlib is not loaded yet; the arguments are those we have

import os
import sys

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def main() -> None:
    """Run the command."""
    without_foreign_modules()
    from strop_cli import __main__

    __main__.main()


def without_foreign_modules() -> None:
    """Leave the current folder out of the path of modules, here and in child processes; start again without a PYTHONPATH.

    One that has this package stays: our containers are made so.
    """
    os.environ["PYTHONSAFEPATH"] = "1"
    if sys.path[0] == os.getcwd() != _OURS:
        del sys.path[0]
    given = os.environ.get("PYTHONPATH")
    if given and _OURS not in map(os.path.abspath, given.split(os.pathsep)):
        del os.environ["PYTHONPATH"]
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
