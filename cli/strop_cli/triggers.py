"""`strop triggers` and `strop projects settings`: what asks for the next training, and the limits that a project sets."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from strop_cli import api, connection, policy
from strop_contracts import control


def triggers(project: str, state: connection.State = None) -> None:
    """Show what asks for the next training of a project, what is against it, the gain to expect, and the last decisions."""
    with api.opened(state) as client:
        found = client.get(control.Triggers, "trainer", "projects", project, "triggers")
    print(*lines(found), sep="\n")


def lines(found: control.Triggers) -> list[str]:
    """Return the report, one fact a line."""
    now = [f"not yet: {reason}" for reason in found.against] or ["a run starts now"]
    decided = [
        f"{each.at:%Y-%m-%d %H:%M} {'run requested' if each.run else 'not yet'}: {'; '.join(each.reasons)}"
        for each in found.decisions
    ]
    return [
        *(f"{each.name}: {each.words}" for each in found.progress),
        f"expected gain: {found.gain}",
        *now,
        *decided,
    ]


def settings(
    project: str,
    values: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE]...", help="Values to change; without any, all are shown."),
    ] = None,
    state: connection.State = None,
) -> None:
    """Show or change when a project trains, and the margins of its gate. Changes take effect at once."""
    path = ("trainer", "projects", project, "settings")
    with api.opened(state) as client:
        if values:
            body = control.PolicyChanges(values=policy.changes(values))
            found = client.send("PATCH", control.ProjectSettings, *path, body=body)
        else:
            found = client.get(control.ProjectSettings, *path)
    version = found.version
    title = f"settings version {version}" if version else "settings version 0: the defaults, none was set yet"
    table = Table("name", "value", "meaning", title=title, title_justify="left")
    for each in found.values:
        table.add_row(each.name, each.value, each.meaning)
    Console().print(table)
