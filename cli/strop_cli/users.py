"""`strop users` and `strop audit`: the roles of users, and what they changed."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from strop_cli import api, connection
from strop_contracts import access, control, errors
from strop_contracts.states import Role

_HELP = """Users and their roles, in one project or in all.

labeler: answers label tasks. reviewer: also reads data sets, models and results. engineer: also trains, approves, rolls back, changes
policies. admin: also changes devices; in all projects also users, tokens and projects."""

cli = typer.Typer(no_args_is_help=True, help=_HELP)

Project = Annotated[str, typer.Option(help="Only in this project; without it in all.", show_default=False)]


@cli.command()
def add(
    user: Annotated[str, typer.Argument(help="Name of the user; created if missing.")],
    role: Annotated[Role, typer.Option(help="Replaces the role that the user has there.")],
    project: Project = access.ALL,
    state: connection.State = None,
) -> None:
    """Give a user a role."""
    require_name(user)
    with api.opened(state) as client:
        grant(client, user, role, project)


def require_name(user: str) -> None:
    """Raise Refused if this cannot be the name of a user, which is part of the path of requests."""
    if not 0 < len(user) <= 200 or "/" in user:
        raise errors.Refused(f"user: {user!r} is not a name of 1 to 200 characters without a slash")


def grant(client: api.Api, user: str, role: Role, project: str) -> None:
    """Give a user a role in a project, or in all (`access.ALL`)."""
    client.change("PUT", "labeling-queue", "users", user, "roles", project, role)


@cli.command("list")
def list_(state: connection.State = None) -> None:
    """List users with their roles."""
    table = Table("user", "role", "project")
    with api.opened(state) as client:
        for each in client.get(list[control.Membership], "labeling-queue", "users"):
            table.add_row(escape(each.user), each.role, "all" if each.project == access.ALL else escape(each.project))
    Console().print(table)


@cli.command()
def remove(
    user: str,
    project: Annotated[
        str | None, typer.Option(help="Only the role in this project; without it all roles, and the user's tokens.")
    ] = None,
    state: connection.State = None,
) -> None:
    """Withdraw a user's roles."""
    path = ("users", user) if project is None else ("users", user, "roles", project)
    with api.opened(state) as client:
        client.change("DELETE", "labeling-queue", *path)


def audit(
    user: Annotated[str | None, typer.Option(help="Only what this user did.")] = None,
    project: Annotated[str | None, typer.Option(help="Only what names this project.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most entries to list.")] = 50,
    state: connection.State = None,
) -> None:
    """List the changes that users made or tried, the newest first. Label answers are not among them: each has its author."""
    table = Table("at", "user", "from", "request", "")
    with api.opened(state) as client:
        found = client.get(
            list[control.AuditEntry], "labeling-queue", "audit", user=user, project=project, limit=str(limit)
        )
    for each in found:
        source = f"{each.source} {each.address or ''}".strip()
        request = escape(f"{each.method} {each.path}")
        table.add_row(
            f"{each.at:%Y-%m-%d %H:%M:%S}", escape(each.user), source, request, "" if each.allowed else "refused"
        )
    Console().print(table)
