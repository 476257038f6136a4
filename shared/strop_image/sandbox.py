"""Decoding in child processes that can be killed, with limits of processor time, memory and waiting time.

An image that exceeds a limit or crashes its decoder is a BadImage with that reason; the next image gets a new process. A
process that ends for another reason, such as a kill from outside, is no fault of the image: it is tried once more.
"""

import asyncio
import atexit
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar, TypeVarTuple

from PIL import Image

from strop_image import child, decoder, header

DECODERS = 2
"""Images decoded side by side in one process of a service."""
LARGE = 12_000_000
"""Pixels from which images are decoded one at a time, so that not all children need much memory at once."""

_BLAMED = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE}
"""Signals by which a library ends a process on damaged data."""
_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "LC_ALL")
"""What a child gets of the environment; credentials are not in it."""


Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


class Unavailable(RuntimeError):
    """The decoder ended twice for reasons that are no fault of the image."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one image, but for the memory, which is the process's address space."""

    cpu_seconds: int = 10  # the costliest image that is accepted takes 3 s on a core of a server
    memory: int = 640 * 2**20  # bytes; 50 million pixels with transparency, turned, take 580 MiB
    seconds: float = 60.0


class _Ended(Exception):
    """The child has ended, or was killed because it did not answer in time."""


class Child:
    """One decoder process, started at the first request. Used by one thread at a time."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def ask(self, request: child.Request, data: bytes) -> child.Answer:
        """Return the answer; BadImage or Unavailable when there is none."""
        for tries_left in (1, 0):
            try:
                answer, body = self._exchange(request, data)
                break
            except TimeoutError as error:
                self.end()
                if not tries_left:
                    raise decoder.BadImage(f"was not decoded within {self._limits.seconds:g} s") from error
            except _Ended as error:
                self._blame(self.end())
                if not tries_left:
                    raise Unavailable("an image decoder ended twice") from error
            except BaseException:  # a half-read answer must not be used for the next image
                self.end()
                raise
        if "refused" in answer:
            raise decoder.BadImage(answer["refused"])
        return answer, body

    def _blame(self, status: int) -> None:
        """Raise BadImage when the image is the reason of this exit status."""
        if status == -signal.SIGXCPU:
            raise decoder.BadImage(f"takes more than {self._limits.cpu_seconds} s of processor time")
        if -status in _BLAMED:
            raise decoder.BadImage(f"crashes its decoder ({signal.Signals(-status).name})")

    def _exchange(self, request: child.Request, data: bytes) -> child.Answer:
        peer = self._socket or self._start()
        peer.settimeout(self._limits.seconds)
        try:
            child.send(peer, request, data)
            answer = child.receive(peer)
        except ConnectionError as error:
            raise _Ended from error
        if answer is None:
            raise _Ended
        return answer

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        limits = (str(self._limits.cpu_seconds), str(self._limits.memory))
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        # A session of its own: Ctrl-C at a terminal is for the service. -P: no modules of the current folder.
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", child.__name__, *limits],
                stdin=theirs.fileno(), stdout=subprocess.DEVNULL, env=environment, start_new_session=True,
            )  # fmt: skip
        self._socket = ours
        return ours

    def end(self) -> int:
        """Kill the process, if there is one; returns its exit status."""
        process, peer, self._process, self._socket = self._process, self._socket, None, None
        if peer:
            peer.close()
        if not process:
            return 0
        process.kill()
        return process.wait()


class Pool:
    """Several children. Methods block until the image is decoded; safe to use from several threads."""

    def __init__(self, size: int = DECODERS, limits: Limits | None = None) -> None:
        self._children = [Child(limits or Limits()) for _ in range(size)]
        self._free: queue.LifoQueue[Child] = queue.LifoQueue()  # what runs already is taken first
        for each in self._children:
            self._free.put(each)
        self._threads = ThreadPoolExecutor(size, "decoder")
        self._large = threading.Lock()

    async def run(self, function: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """Call a function that decodes in a thread kept for that, so that waiting for images takes no other threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def check(self, data: bytes) -> None:
        """Decode fully and give no pixels; BadImage with the reason."""
        self._ask_sized({"operation": "check"}, data)

    def decode(self, data: bytes, short_side: int = decoder.SHORT_SIDE) -> Image.Image:
        """Decode as `decoder.decode` does."""
        answer, body = self._ask_sized({"operation": "decode", "short_side": short_side}, data)
        width, height = answer["size"]
        return Image.frombytes("RGB", (width, height), body)

    def jpeg(self, data: bytes, side: int, quality: int) -> bytes:
        """Make a JPEG of at most `side` x `side` pixels, upright, without the metadata of the file."""
        return self._ask_sized({"operation": "jpeg", "side": side, "quality": quality}, data)[1]

    def still(self, data: bytes) -> bytes:
        """Make a PNG of the first picture of a GIF or BMP."""
        return self._ask({"operation": "still"}, data)[1]

    def _ask_sized(self, request: child.Request, data: bytes) -> child.Answer:
        """Ask for what `decoder.decode` does; what the header alone refuses needs no child."""
        found = header.read(decoder.bounded(data))
        header.check_pixels(found.content_type, found.width, found.height)
        if found.width * found.height < LARGE:
            return self._ask(request, data)
        with self._large:
            return self._ask(request, data)

    def _ask(self, request: child.Request, data: bytes) -> child.Answer:
        free = self._free.get()
        try:
            return free.ask(request, data)
        finally:
            self._free.put(free)

    def close(self) -> None:
        """Kill the children; requests in progress fail."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for each in self._children:
            each.end()


_shared = Pool()  # starts no process before the first image
atexit.register(_shared.close)


def shared() -> Pool:
    """Return the pool of this process; its children end with the process."""
    return _shared
