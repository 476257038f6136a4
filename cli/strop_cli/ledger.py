"""`strop ledger`: was a capture lost or doubled, is something stuck? Counted from the tables and the devices' journals."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from strop_cli import api, connection
from strop_contracts import control

Journals = Annotated[
    list[Path] | None, typer.Option("--device-state", help="State folder of an agent, to compare its journal as well.")
]


def ledger(project: str, device_state: Journals = None, state: connection.State = None) -> None:
    """Account for every capture of a project. The exit code is 1 if one was lost or doubled, or if something is stuck."""
    from strop_edge import journal

    fates = {capture: fate for folder in device_state or [] for capture, fate in journal.fates(folder).items()}
    with api.opened(state) as client:
        body = control.Journals.model_validate({"fates": fates})
        found = client.send("POST", control.Ledger, "console", "projects", project, "ledger", body=body)
    Console().print(shown(project, found))
    if found.wrong:
        raise typer.Exit(1)


def shown(project: str, found: control.Ledger) -> Table:
    table = Table(title=f"ledger of {project}", show_header=False, title_justify="left")
    table.add_row("captures", f"{found.captures:,}")
    table.add_row("of the devices' journals", f"{found.announced:,}")
    table.add_row("on their way", f"{len(found.unsettled):,}")
    for name in ("lost", "doubled", "disagreeing"):
        table.add_row(name, _some(getattr(found, name)))
    table.add_row("training runs and deployments that exist twice", "; ".join(found.repeated) or "0")
    table.add_row("stuck: an event was emitted again without effect", "; ".join(found.stuck) or "0")
    return table


def _some(captures: list[str]) -> str:
    named = ", ".join(captures[:5]) + (", …" if len(captures) > 5 else "")
    return f"[red]{len(captures):,}[/]  {named}" if captures else "0"
