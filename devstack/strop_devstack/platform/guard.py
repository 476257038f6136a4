"""Stop the servers when `strop up` was killed: a small process that outlives it just long enough for that.

Each line of its input is `pid signal`, with the signal 0 for a server that has ended and is none of ours any more. The
end of input means that the parent is gone, whatever way it went.
It runs as a script by itself (`python -S guard.py`) and imports only the standard library, to stay small.
"""

import os
import sys
from contextlib import suppress


def main() -> None:
    servers: dict[int, int] = {}
    for pid, stop_signal in (map(int, line.split()) for line in sys.stdin):
        servers.pop(pid, None)
        if stop_signal:
            servers[pid] = stop_signal
    for pid, stop_signal in reversed(servers.items()):
        with suppress(ProcessLookupError):
            os.kill(pid, stop_signal)


if __name__ == "__main__":
    main()
