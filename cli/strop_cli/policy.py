"""`strop policy`: which captures of a project are wanted."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from router import policies, rules
from strop import app
from strop_cli import connection, projects
from strop_contracts import errors

cli = typer.Typer(no_args_is_help=True, help="Policies: which captures a project wants, and how many.")


@cli.command()
def show(project: str, state: connection.State = None) -> None:
    """Show the policy that counts, and what each value means."""

    async def work(runtime: app.Runtime) -> Table:
        async with runtime.sessions() as session:
            await projects.require(session, project)
            version, policy = await policies.newest(session, project)
        return _table(version, policy)

    Console().print(connection.run(state, work))


@cli.command("set")
def set_(
    project: str,
    values: Annotated[
        list[str], typer.Argument(metavar="NAME=VALUE...", help=f"Any of {', '.join(rules.Policy.model_fields)}.")
    ],
    state: connection.State = None,
) -> None:
    """Change values: a new version of the policy, which counts from now on. `show` says what each means."""

    async def work(runtime: app.Runtime) -> Table:
        async with runtime.sessions.begin() as session:
            await policies.set_policy(session, project, changes(values))
            return _table(*await policies.newest(session, project))

    Console().print(connection.run(state, work))


def changes(values: list[str]) -> dict[str, str]:
    """Read NAME=VALUE words; Refused when one is not, or a name comes twice."""
    for value in values:
        if "=" not in value:
            raise errors.Refused(f"{value!r} is not NAME=VALUE, such as audit_rate=0.1")
    found = dict(value.split("=", 1) for value in values)
    if len(found) < len(values):
        raise errors.Refused("give each value once")
    return found


def _table(version: int, policy: rules.Policy) -> Table:
    title = f"policy version {version}" if version else "policy version 0: the defaults, none was set yet"
    table = Table("name", "value", "meaning", title=title, title_justify="left")
    for name, field in rules.Policy.model_fields.items():
        table.add_row(name, str(getattr(policy, name)), field.description)
    return table
