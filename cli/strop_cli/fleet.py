"""`strop fleet`: the devices of a project, with what they last reported and counted."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from strop_cli import api, connection
from strop_contracts import control_fleet as documents

PAGE = 1000
"""Devices of one request."""


def fleet(
    project: str,
    group: Annotated[str | None, typer.Option(help='Only devices of this group; "" for those without one.')] = None,
    model: Annotated[str | None, typer.Option(help="Only devices that run this model, such as v3.")] = None,
    name: Annotated[str, typer.Option(help="Only devices whose name contains this.")] = "",
    only_errors: Annotated[bool, typer.Option("--errors", help="Only devices that reported errors.")] = False,
    sort: Annotated[documents.Sort, typer.Option(help="Column to sort by.")] = documents.Sort.NAME,
    descending: Annotated[bool, typer.Option("--descending", help="Greatest first.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Devices to show.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    state: connection.State = None,
) -> None:
    """Show the devices of a project: model, last report, spool, dropped images and errors; images and labels of the last 24 hours."""
    wanted = documents.Page(
        group=group, model=model, name=name, only_errors=only_errors, sort=sort, descending=descending
    )
    with api.opened(state) as client:
        total, devices = pages(client, project, wanted, limit)
    if as_json:
        for device in devices:
            print(json.dumps(device.model_dump(mode="json"), ensure_ascii=False))
    else:
        Console().print(table(devices, total, datetime.now(UTC)))


def pages(client: api.Api, project: str, wanted: documents.Page, limit: int) -> tuple[int, list[documents.Device]]:
    """Return how many devices there are, and the first `limit` of them, in requests of `PAGE`."""
    devices: list[documents.Device] = []
    while True:
        size = min(PAGE, limit - len(devices))
        page = wanted.model_copy(update={"offset": len(devices), "limit": size})
        query = page.model_dump(mode="json", exclude_none=True)
        found = client.get(documents.Fleet, "console", "projects", project, "fleet", **query)
        devices += found.devices
        if len(found.devices) < size or len(devices) >= limit:
            return found.total, devices


def table(devices: list[documents.Device], total: int, now: datetime) -> Table:
    """Return one row per device; the caption tells how many are not shown."""
    shown = Table("device", "group", "model", "last report", "spool", "dropped", "images", "labels", "errors")
    for each in devices:
        reported = (each.name, each.group, each.model or "none", ago(each.seen_at, now), _spool(each))
        counted = (_counts(each.dropped), f"{each.classified:,}", _mix(each.labels), "; ".join(each.errors))
        shown.add_row(*map(escape, (*reported, *counted)))
    shown.caption = f"{len(devices)} of {total} devices"
    return shown


def ago(seen: datetime | None, now: datetime) -> str:
    """Return the time since a report in its largest unit."""
    if seen is None:
        return "never"
    seconds = max(0, round((now - seen).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def _spool(device: documents.Device) -> str:
    return f"{device.spool_items:,} ({device.spool_bytes / 1e6:.1f} MB)" if device.spool_items else "empty"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.items())


def _mix(labels: dict[str, int], shown: int = 3) -> str:
    """Return the shares of the most frequent labels."""
    total = sum(labels.values())
    return ", ".join(_shares(labels, total, shown))


def _shares(labels: dict[str, int], total: int, shown: int) -> Iterator[str]:
    for label, count in list(labels.items())[:shown]:
        yield f"{label} {100 * count / total:.0f} %"
    if len(labels) > shown:
        yield f"{len(labels) - shown} more"
