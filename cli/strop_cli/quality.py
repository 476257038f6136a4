"""`strop quality`: what the models of a project get right in the field."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from strop_cli import api, connection
from strop_contracts import control_quality


def quality(
    project: str,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON, with the accuracy over time.")
    ] = False,
    state: connection.State = None,
) -> None:
    """Show what models get right in the field, as estimated from audits, with 95 % intervals; the plan of audits, and drift."""
    with api.opened(state) as client:
        found = client.get(control_quality.Quality, "router", "projects", project, "quality")
    if as_json:
        print(found.model_dump_json(indent=2))
        return
    Console().print(table(found))
    print(*lines(found), sep="\n")


def table(found: control_quality.Quality) -> Table:
    """Return the estimates as a table."""
    made = Table("model", "measure", "of", "estimate", "95 % interval", "labelled", "images", "by confidence")
    for each in found.estimates:
        of = each.label or (f"group {each.device_group}" if each.device_group else "all devices")
        interval = f"{each.low:.1%} to {each.high:.1%}"
        free = "" if each.free is None else f"{each.free:.1%} ({_points(each.free - each.value)})"
        figures = (f"{each.value:.1%}", interval, f"{each.labelled:.0f}", f"{each.images:,.0f}", free)
        made.add_row(each.model, each.measure, of, *figures)
    return made


def lines(found: control_quality.Quality) -> list[str]:
    """Return what the table does not show, one fact a line."""
    return [
        f"audits in the last {found.window_hours:g} hours: {found.audits:,}, labelled {found.labelled:,}",
        *_plan(found.plan),
        *(
            f"worse: {each.model} has {each.value:.1%} right, {each.expected:.1%} in its evaluation, since {each.since:%Y-%m-%d %H:%M}"
            for each in found.worse
        ),
        *(_drift(each) for each in found.drift if each.drifted),
    ]


def _plan(plan: control_quality.Plan | None) -> list[str]:
    if plan is None:
        return ["no plan: set quality_points with `strop policy set`, or wait for 1,000 images"]
    labels = [f"precision of {label}: ±{half:.1%}" for label, half in sorted(plan.label_half.items())]
    return [plan.reason, *([f"with this plan, {', '.join(labels)}"] if labels else [])]


def _drift(change: control_quality.Change) -> str:
    what = f"share of {change.label}" if change.kind == "label" else change.kind
    return f"drift: {change.model}, {what}: {change.now:.1%}, {change.reference:.1%} in its first hours"


def _points(difference: float) -> str:
    return f"{difference * 100:+.1f} points"
