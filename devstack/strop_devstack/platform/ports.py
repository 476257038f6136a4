"""Ports on 127.0.0.1 that stay the same over restarts unless another process uses them."""

import random
import socket
from pathlib import Path

from strop_devstack.platform.errors import PlatformError
from strop_edge import disk

# Below the ranges that Linux and macOS give to outgoing connections, so that none of those takes a port while we are down.
_CHOICE = range(20_000, 32_000)


def stable(state: Path, name: str) -> int:
    """Return the port this folder used for `name` before, or a new free one."""
    memory = _memory(state, name)
    before = port = remembered(state, name) if memory.exists() else None
    while port is None or not is_free(port):
        port = random.choice(_CHOICE)
    if port != before:
        disk.write(memory, str(port).encode())
    return port


def remembered(state: Path, name: str) -> int:
    """PlatformError when the file does not hold a port: to choose another one in silence would cut off the devices."""
    memory = _memory(state, name)
    text = memory.read_bytes().strip()  # editors end a line
    if not (text.isdigit() and 0 < int(text) < 2**16):
        raise PlatformError(
            f"{memory} is damaged: write the port into it that clients use, or remove it to have a new one"
        )
    return int(text)


def _memory(state: Path, name: str) -> Path:
    return state / "run" / f"{name}.port"


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Connections of the last run that linger in TIME_WAIT do not make a port busy: the servers set this too.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
