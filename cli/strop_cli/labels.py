"""`strop labels`: the labels of a project, and folders of the bucket that may be new ones."""

import typer
from rich.console import Console
from rich.table import Table

from strop_cli import api, connection
from strop_contracts import control

cli = typer.Typer(
    no_args_is_help=True,
    help="Labels: decide whether the folder of an unknown label is a new label or a misspelled one.",
)


def _path(project: str) -> tuple[str, str, str, str]:
    return "labeling-queue", "projects", project, "labels"


@cli.command("list")
def list_(project: str, state: connection.State = None) -> None:
    """List the labels, and the folders whose images wait for `confirm` or `map`."""
    with api.opened(state) as client:
        listed = client.get(control.Labels, *_path(project))
    table = Table("label", "waiting images", "most similar label")
    for label in listed.labels:
        table.add_row(label, "", "")
    for each in listed.waiting:
        table.add_row(f"{each.name} (new?)", str(each.images), each.nearest or "none")
    Console().print(table)


@cli.command()
def confirm(project: str, name: str, state: connection.State = None) -> None:
    """Make the name of a folder a label: the images that wait there get it."""
    _decide(project, name, name, state)


@cli.command("map")
def map_(project: str, name: str, label: str, state: connection.State = None) -> None:
    """Let the name of a folder stand for a label: the images move to its folder, and so do those that come later."""
    _decide(project, name, label, state)


def _decide(project: str, name: str, label: str, state: connection.State) -> None:
    with api.opened(state) as client:
        decision = control.LabelDecision(name=name, label=label)
        decided = client.send("POST", control.Count, *_path(project), body=decision)
    print(f"the folder {name!r} is the label {label!r}; images that waited: {decided.count}")
