"""Progress on standard error: bars in a terminal, else a line every few seconds."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

_PAUSE = 3.0  # seconds between two lines about the progress

Report = Callable[..., None]
"""Is called with the count of each step, in their order."""


@contextmanager
def shown(total: int, *steps: str) -> Iterator[Report]:
    """Show how many of `total` each step has done; steps are words such as "uploaded"."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lines(total, steps, lambda line: print(line, file=sys.stderr, flush=True), time.monotonic)
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        tasks = [progress.add_task(step, total=total) for step in steps]

        def report(*counts: int) -> None:
            for task, count in zip(tasks, counts, strict=True):
                progress.update(task, completed=count)

        yield report


@contextmanager
def text() -> Iterator[Callable[[str], None]]:
    """Show a text that changes: in place in a terminal, else as a line when a few seconds have passed."""
    console = Console(stderr=True)
    if console.is_terminal:
        with console.status("waiting for a trainer") as status:
            yield lambda words: status.update(words or "waiting for a trainer")
        return
    shown, last = time.monotonic(), ""

    def show(words: str) -> None:
        nonlocal shown, last
        if words != last and time.monotonic() - shown >= _PAUSE:
            shown, last = time.monotonic(), words
            print(words, file=sys.stderr, flush=True)

    yield show


def lines(total: int, steps: Sequence[str], write: Callable[[str], None], clock: Callable[[], float]) -> Report:
    """Report the progress in lines, one every few seconds."""
    last = clock()

    def report(first: int, *others: int) -> None:
        nonlocal last
        if clock() - last >= _PAUSE:
            last = clock()
            more = [f"{count} {step}" for count, step in zip(others, steps[1:], strict=True)]
            write(", ".join([f"{first} of {total} {steps[0]}", *more]))

    return report
