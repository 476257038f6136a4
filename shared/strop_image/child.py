"""The process that decodes: `python -m strop_image.child CPU_SECONDS MEMORY_BYTES`, started and killed by `sandbox`.

It answers requests on the socket that is its standard input, one after the other, and ends when the socket does. A request
and an answer are a line of JSON and bytes, each with its length before it. The limits are the kernel's: exceeding the
processor time ends the process, exceeding the memory fails the allocation.
"""

import io
import json
import math
import os
import resource
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from PIL import Image

from strop_image import decoder, header

LENGTHS = struct.Struct("!II")
MAX_TEXT, MAX_DATA = 64 * 2**10, 3 * header.MAX_PIXELS
"""Bytes of the parts of a message: the child is not trusted, as it decodes."""
NICENESS = 5
"""Work for people and devices has priority over images."""


class Request(TypedDict):
    """What to do with the data; the numbers are arguments of some operations."""

    operation: str
    short_side: NotRequired[int]  # pixels
    side: NotRequired[int]  # pixels
    quality: NotRequired[int]  # of a JPEG


class Response(TypedDict, total=False):
    refused: str  # why the data is no usable image
    size: tuple[int, int]  # pixels


Answer = tuple[Response, bytes]


def main(cpu_seconds: int, memory: int) -> None:
    """Answer requests until the socket ends."""
    os.nice(NICENESS)
    with suppress(OSError):  # not on Linux: when memory runs out, this process shall end rather than the service
        Path("/proc/self/oom_score_adj").write_text("1000")
    with suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with socket.socket(fileno=0) as peer:
        while received := receive(peer):
            _allow(cpu_seconds)
            send(peer, *_answer(*received))


def _allow(cpu_seconds: int) -> None:
    """Allow this much more processor time; the kernel counts whole seconds since the process began."""
    limit = math.ceil(time.process_time()) + cpu_seconds
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


def _answer(request: Request, data: bytes) -> Answer:
    arguments = {name: value for name, value in request.items() if name != "operation"}
    try:
        return _OPERATIONS[request["operation"]](data, **arguments)
    except decoder.BadImage as error:
        return {"refused": str(error)}, b""


# --- operations ---


def _check(data: bytes) -> Answer:
    decoder.decode(data)
    return {}, b""


def _decode(data: bytes, short_side: int) -> Answer:
    image = decoder.decode(data, short_side)
    return {"size": image.size}, image.tobytes()


def _jpeg(data: bytes, side: int, quality: int) -> Answer:
    image = decoder.decode(data, side)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    made = io.BytesIO()
    image.save(made, "JPEG", quality=quality)
    return {}, made.getvalue()


def _still(data: bytes) -> Answer:
    made = io.BytesIO()
    with decoder.refusing(), Image.open(io.BytesIO(data), formats=("GIF", "BMP")) as opened:
        opened.save(made, "PNG")
    return {}, made.getvalue()


_OPERATIONS: dict[str, Callable[..., Answer]] = {"check": _check, "decode": _decode, "jpeg": _jpeg, "still": _still}


# --- messages ---


def send(peer: socket.socket, message: Request | Response, data: bytes) -> None:
    text = json.dumps(message).encode()
    peer.sendall(LENGTHS.pack(len(text), len(data)) + text)
    peer.sendall(data)


def receive(peer: socket.socket) -> tuple[Any, bytes] | None:
    """Return the next message; None at the end of the socket, also in the middle of a message. ValueError if it is too long."""
    lengths = _exactly(peer, LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    text_length, data_length = LENGTHS.unpack(lengths)
    if text_length > MAX_TEXT or data_length > MAX_DATA:
        raise ValueError(f"a message of {text_length} and {data_length} bytes")
    text, data = _exactly(peer, text_length), _exactly(peer, data_length)
    return (json.loads(text), bytes(data)) if len(data) == data_length else None


def _exactly(peer: socket.socket, length: int) -> bytearray:
    """Read this many bytes, or fewer at the end of the socket."""
    data = bytearray(length)
    view, taken = memoryview(data), 0
    while taken < length and (count := peer.recv_into(view[taken:])):
        taken += count
    return data[:taken]


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
