"""What the demo shows while it runs: the steps with their seconds, and live figures under them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text


@dataclass
class Step:
    key: str  # short and stable, for the report
    name: str  # for people
    started: float
    seconds: float | None = None  # None while it runs
    note: str = ""


def _console() -> Console:
    """The terminal; a file or a pipe has no width of its own, and 80 columns would break every row of the table."""
    console = Console()
    return console if console.is_terminal else Console(width=120)


@dataclass
class Story:
    """Steps run one after the other. On a terminal they are drawn live, else one line is printed at the end of each."""

    console: Console = field(default_factory=_console)
    steps: list[Step] = field(default_factory=list)
    figures: dict[str, str] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)

    @contextmanager
    def telling(self) -> Iterator[None]:
        with Live(
            get_renderable=self._draw,
            console=self.console,
            refresh_per_second=8,
            transient=not self.console.is_terminal,
        ):
            yield

    @contextmanager
    def step(self, key: str, name: str) -> Iterator[Step]:
        """Time a step; `note` may be set on what it yields."""
        step = Step(key, name, time.monotonic())
        self.steps.append(step)
        yield step
        step.seconds = time.monotonic() - step.started
        if not self.console.is_terminal:
            self.console.print(
                f"{step.seconds:6.1f} s  {step.name}  {step.note}".rstrip(), highlight=False, soft_wrap=True
            )

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)

    def seconds(self) -> dict[str, float]:
        """Seconds by step's key, and in total since the start."""
        found = {step.key: round(step.seconds, 2) for step in self.steps if step.seconds is not None}
        return {**found, "total": round(time.monotonic() - self._began, 2)}

    def _draw(self) -> RenderableType:
        if not self.console.is_terminal:
            return Text("")
        table = Table.grid(padding=(0, 2))
        for step in self.steps:
            running = step.seconds is None
            mark: RenderableType = Spinner("dots") if running else Text("✓", style="green")
            seconds = time.monotonic() - step.started if step.seconds is None else step.seconds
            table.add_row(
                mark,
                Text(step.name, style="bold" if running else ""),
                Text(f"{seconds:5.1f} s", style="dim"),
                Text(step.note),
            )
        figures = Table.grid(padding=(0, 3))
        for name, value in self.figures.items():
            figures.add_row(Text(name, style="cyan"), Text(value))
        return Group(table, Text(""), figures)
