"""The closing table, and the same as a report."""

from dataclasses import dataclass

from rich.table import Table

from strop import app
from strop_contracts import control
from strop_devstack.demo import progress
from strop_devstack.demo.accuracy import Accuracy
from strop_devstack.demo.fleet import Figures
from strop_devstack.demo.story import Story

Heldout = dict[int, tuple[Accuracy, int, int]]
"""Model version -> accuracy on the held-out field images, bytes of the model, bytes of its head."""


@dataclass(frozen=True)
class Report:
    """All figures of a run, as `--report` writes them."""

    captures: int
    uploads: int
    labels: int
    lost: int
    doubled: int
    unsettled: int
    disagreeing: int
    repeated: int
    bytes_sent: int
    images_classified: int
    accuracy_before: dict[str, float]
    accuracy_after: dict[str, float]
    models: list[dict[str, object]]
    deployments: list[dict[str, object]]
    seconds: dict[str, float]  # by step
    peak_memory_mb: int
    model_bytes: int
    head_bytes: int


async def report(
    runtime: app.Runtime,
    project: str,
    story: Story,
    found: control.Ledger,
    fleet: Figures,
    heldout: Heldout,
    peak: int,
) -> Report:
    """Collect all figures of the run; `peak` in bytes."""
    counts = await progress.counts(runtime, project)
    first, last = heldout[min(heldout)], heldout[max(heldout)]
    return Report(
        captures=counts["captures"],
        uploads=counts["stored"],
        labels=counts["labels"],
        lost=len(found.lost),
        doubled=len(found.doubled),
        unsettled=len(found.unsettled),
        disagreeing=len(found.disagreeing),
        repeated=len(found.repeated),
        bytes_sent=fleet.bytes_sent,
        images_classified=fleet.classified,
        accuracy_before=_interval(first[0]),
        accuracy_after=_interval(last[0]),
        models=await progress.models(runtime, project),
        deployments=await progress.deployments(runtime, project),
        seconds=story.seconds(),
        peak_memory_mb=round(peak / 2**20),
        model_bytes=last[1],
        head_bytes=last[2],
    )


def _interval(found: Accuracy) -> dict[str, float]:
    return {
        "value": round(found.value, 4),
        "low": round(found.low, 4),
        "high": round(found.high, 4),
        "images": found.total,
    }


def show(story: Story, data: Report, heldout: Heldout) -> None:
    table = Table(title="What it cost and what it brought", show_header=False, title_justify="left")
    before, after = heldout[min(heldout)][0], heldout[max(heldout)][0]
    rows = {
        "images classified on devices": f"{data.images_classified:,}",
        "captures announced": f"{data.captures:,}",
        "images uploaded": f"{data.uploads:,}",
        "bytes sent by devices": f"{data.bytes_sent / 1e6:,.1f} MB",
        "labels": f"{data.labels:,}",
        "accuracy on held-out field images, before": str(before),
        "accuracy on held-out field images, after": str(after),
        "model": f"{data.model_bytes / 1e6:.1f} MB once, then {data.head_bytes / 1e3:.0f} KB per retrained head",
        "captures lost / doubled": f"{data.lost} / {data.doubled}   (devices' journals against the tables)",
        "captures not settled / disagreeing": f"{data.unsettled} / {data.disagreeing}",
        "training runs and deployments that exist twice": f"{data.repeated}",
        "peak memory, all processes": f"{data.peak_memory_mb:,} MB",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    story.console.print(table)
    seconds = ", ".join(f"{key} {value:.1f}" for key, value in data.seconds.items())
    story.say(f"Seconds: {seconds}")
