"""`strop projects`: create and list projects."""

import typer
from rich.console import Console
from rich.table import Table

from strop_cli import api, connection, triggers
from strop_contracts import control

cli = typer.Typer(no_args_is_help=True, help="Projects: a fleet with one task, one set of labels, one model.")

cli.command()(triggers.settings)

_PATH = ("custom-labels", "projects")


@cli.command()
def create(name: str, state: connection.State = None) -> None:
    """Create a project."""
    with api.opened(state) as client:
        client.send("POST", control.NewProject, *_PATH, body=control.NewProject(name=name))
    print(f"project {name} is created; next: strop devices add {name} DEVICE")


@cli.command("list")
def list_(state: connection.State = None) -> None:
    """List all projects."""
    table = Table("project", "created")
    with api.opened(state) as client:
        for project in client.get(list[control.Project], *_PATH):
            table.add_row(project.name, f"{project.at:%Y-%m-%d %H:%M}")
    Console().print(table)
