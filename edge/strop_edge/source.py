"""Where images come from. A source is any iterator of bytes; None means that there is nothing at the moment."""

import time
from collections.abc import Iterator
from pathlib import Path

from strop_wire import messages

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
LOOK_EVERY = 0.5
"""Seconds between two looks into a watched folder; a file is taken when it looks the same twice."""

Stamp = tuple[int, int]  # time of the last change in ns, size


def folder(path: Path) -> Iterator[bytes]:
    """Every image below a folder once, sorted by name."""
    for file in sorted(_stamps(path)):
        if (data := _read(file)) is not None:
            yield data


def watch(path: Path) -> Iterator[bytes | None]:
    """The images that appear or change from now on, without end: also those that do before anybody asks for the first."""
    return _changes(path, _stamps(path))


def _changes(path: Path, taken: dict[Path, Stamp]) -> Iterator[bytes | None]:
    before = taken
    while True:
        now = _stamps(path)
        settled = {file: stamp for file, stamp in now.items() if before.get(file) == stamp != taken.get(file)}
        for file in sorted(settled, key=lambda file: settled[file]):
            if (data := _read(file)) is not None:
                yield data
        taken = {file: stamp for file, stamp in {**taken, **settled}.items() if file in now}
        before = now
        until = time.monotonic() + LOOK_EVERY
        while time.monotonic() < until:
            yield None


def _stamps(path: Path) -> dict[Path, Stamp]:
    found = {}
    for file in path.rglob("*"):
        if file.suffix.lower() in SUFFIXES:
            try:
                stat = file.stat()
            except FileNotFoundError:
                continue
            found[file] = (stat.st_mtime_ns, stat.st_size)
    return found


class FromFile(bytes):
    """The bytes of an image, and the file that they came from, for the error when they are not one."""

    file: Path


def _read(file: Path) -> FromFile | None:
    """None when it has gone. Not more than what is too large anyway: the decoder refuses a giant by that one byte."""
    try:
        with file.open("rb") as opened:
            data = FromFile(opened.read(messages.MAX_IMAGE_BYTES + 1))
    except OSError:
        return None
    data.file = file
    return data
