"""The agent's command, killed once at a named point: `python -m tests.integration.edge.dying POINT MARKER run …`.

The agent itself has no such points: it is small, and a device has no test to serve.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from strop_edge import __main__ as command
from strop_edge import spool, store, transfer

POINTS: dict[str, tuple[type, str]] = {
    "upload:piece": (transfer.Http, "_outgoing"),  # the first piece of the image was sent
    "upload:put": (spool.Spool, "uploaded"),  # all of it is there, and nothing says so yet
    "swap:piece": (transfer.Http, "_incoming"),  # the first piece of a file has come
    "swap:assembled": (store.Store, "switch"),  # the new model is whole and not yet the one to run
    "swap:switched": (store.Store, "prune"),  # it is, and nobody was told
}


def main(point: str, marker: Path, argv: list[str]) -> int:
    if not marker.exists():
        owner, name = POINTS[point]
        original = getattr(owner, name)
        setattr(owner, name, _piecewise(original, marker) if point.endswith(":piece") else _at_once(original, marker))
    return command.main(argv)


def _at_once(original: Callable[..., Any], marker: Path) -> Callable[..., Any]:
    return lambda *_args, **_named: _die(marker)


def _piecewise(original: Callable[..., Iterator[bytes]], marker: Path) -> Callable[..., Iterator[bytes]]:
    def one_piece(*args: Any) -> Iterator[bytes]:
        yield next(original(*args))
        _die(marker)

    return one_piece


def _die(marker: Path) -> None:
    marker.touch()
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:]))
