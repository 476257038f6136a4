"""What a watched folder of old files costs while nothing happens in it: CPU of the watch, as a share of one core.

The floor is the least that a look without knowledge of the last one could do: one `os.scandir` walk every half second, asking
no file for anything. Each runs in a process of its own, one after the other, for the same time.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from strop_edge import source, source_reader, watching

FILES = 20_000
FOLDERS = 20


def floor(folder: Path, seconds: float, out: Connection) -> None:
    out.send(None)

    def walk() -> None:
        todo = [str(folder)]
        while todo:
            with os.scandir(todo.pop()) as entries:
                todo += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]

    out.send(share(seconds, watching.SCAN_EVERY, walk))


def watched(folder: Path, seconds: float, out: Connection) -> None:
    """Ask as the agent does when there is nothing."""
    images = source.watch(folder)
    out.send(None)
    out.send(share(seconds, source_reader.IDLE, lambda: next(images)))


def share(seconds: float, every: float, step: Callable[[], object]) -> float:
    """CPU time of this process while it takes a step now and then, per second."""
    began, until = time.process_time(), time.monotonic() + seconds
    while time.monotonic() < until:
        step()
        time.sleep(every)
    return (time.process_time() - began) / seconds


def noticed(folder: Path, _seconds: float, out: Connection) -> None:
    """Seconds from a change of a new file, and of the oldest, to the image."""
    oldest = min(folder.rglob("*.jpg"), key=lambda file: file.stat().st_mtime_ns)
    images = source.watch(folder)
    out.send(None)
    found = []
    for file in (folder / "0" / "new.jpg", oldest):
        file.write_bytes(b"changed")
        began = time.monotonic()
        while next(images) is None:
            time.sleep(source_reader.IDLE)
        found.append(time.monotonic() - began)
    out.send(found)


def measured(function: Callable[..., None], folder: Path, seconds: float) -> Any:
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=function, args=(folder, seconds, theirs))
    process.start()
    theirs.close()
    mine.recv()
    result = mine.recv()
    process.join()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(options.files):
            (folder / str(number % FOLDERS)).mkdir(exist_ok=True)
            (folder / str(number % FOLDERS) / f"image-{number:06d}.jpg").write_bytes(b"old")
        least, ours = (measured(each, folder, options.seconds) for each in (floor, watched))
        new, old = measured(noticed, folder, 0)
    print(f"{options.files} old files, idle: {ours:.2%} of a core, floor {least:.2%}, ratio {ours / least:.2f}")
    print(f"noticed: a new file after {new:.1f} s, a change of the oldest after {old:.1f} s")


if __name__ == "__main__":
    main()
