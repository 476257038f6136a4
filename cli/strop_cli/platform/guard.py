"""Stop the servers when `strop up` was killed: a small process that outlives it just long enough for that.

Each line of its input is `pid signal`; the end of input means that the parent is gone, whatever way it went.
It runs as a script by itself (`python -S guard.py`) and imports only the standard library, to stay small.
"""

import os
import sys
from contextlib import suppress


def main() -> None:
    servers = [line.split() for line in sys.stdin]
    for pid, stop_signal in reversed(servers):
        with suppress(ProcessLookupError):
            os.kill(int(pid), int(stop_signal))


if __name__ == "__main__":
    main()
