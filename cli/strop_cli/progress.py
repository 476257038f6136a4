"""How far something long is, on standard error: bars in a terminal, else a line now and then."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

_PAUSE = 3.0  # seconds between two lines about the progress

Report = Callable[..., None]
"""Told the count of each step, in their order."""


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


def lines(total: int, steps: Sequence[str], say: Callable[[str], None], clock: Callable[[], float]) -> Report:
    """Tell the progress in lines, one every few seconds."""
    said = clock()

    def report(first: int, *others: int) -> None:
        nonlocal said
        if clock() - said >= _PAUSE:
            said = clock()
            more = [f"{count} {step}" for count, step in zip(others, steps[1:], strict=True)]
            say(", ".join([f"{first} of {total} {steps[0]}", *more]))

    return report
