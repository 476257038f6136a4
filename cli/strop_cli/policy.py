"""`strop policy`: which captures of a project are wanted."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from strop_cli import api, connection
from strop_contracts import control, errors

cli = typer.Typer(no_args_is_help=True, help="Policies: which captures a project wants, and how many.")


@cli.command()
def show(project: str, state: connection.State = None) -> None:
    """Show the current policy and the meaning of each value."""
    with api.opened(state) as client:
        Console().print(_table(client.get(control.Policy, "router", "projects", project, "policy")))


@cli.command("set")
def set_(
    project: str,
    values: Annotated[list[str], typer.Argument(metavar="NAME=VALUE...", help="`show` lists the names.")],
    state: connection.State = None,
) -> None:
    """Change values: this creates a new version of the policy, which takes effect at once."""
    body = control.PolicyChanges(values=changes(values))
    with api.opened(state) as client:
        changed = client.send("PATCH", control.Policy, "router", "projects", project, "policy", body=body)
    Console().print(_table(changed))


def changes(values: list[str]) -> dict[str, str]:
    """Read NAME=VALUE words. Raises Refused if one is malformed, or a name is repeated."""
    for value in values:
        if "=" not in value:
            raise errors.Refused(f"{value!r} is not NAME=VALUE")
    named = dict(value.split("=", 1) for value in values)
    if len(named) < len(values):
        raise errors.Refused("give each value once")
    return named


def _table(policy: control.Policy) -> Table:
    version = policy.version
    title = f"policy version {version}" if version else "policy version 0: the defaults, none was set yet"
    table = Table("name", "value", "meaning", title=title, title_justify="left")
    for each in policy.values:
        table.add_row(each.name, each.value, each.meaning)
    return table
