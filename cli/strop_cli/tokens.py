"""`strop token`: create, list and revoke tokens and sign-in links."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from strop_cli import api, connection, users
from strop_contracts import access, control, errors
from strop_contracts.states import Role

cli = typer.Typer(no_args_is_help=True, help="Tokens for programs and this command, sign-in links for people.")


@cli.command()
def create(
    user: Annotated[str, typer.Argument(help="Name of the user.")],
    link: Annotated[
        str | None,
        typer.Option(help="Address of the pages: print a one-time sign-in link for it; its button signs in."),
    ] = None,
    role: Annotated[
        Role | None,
        typer.Option(
            help="Give the user this role first, instead of the one there; needed for a new user. See `strop users --help`."
        ),
    ] = None,
    project: Annotated[
        str, typer.Option(help="Where that role counts; without it in all projects.", show_default=False)
    ] = access.ALL,
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="Until it expires: by default 90, a link 1.", show_default=False)
    ] = None,
    state: connection.State = None,
) -> None:
    """Print a token for programs or this command, or with --link a sign-in link for a person. Neither is shown again."""
    users.require_name(user)
    if project != access.ALL and role is None:
        raise errors.Refused("--project says where --role counts: give both")
    body = control.NewToken.model_validate({"kind": "once" if link else "api", "days": days})
    with api.opened(state) as client:
        if role:
            users.grant(client, user, role, project)
        token = client.send("POST", control.Token, "labeling-queue", "users", user, "tokens", body=body).token
    print(f"{link.rstrip('/')}/sign-in?token={token}" if link else token)


@cli.command("list")
def list_(state: connection.State = None) -> None:
    """List tokens, sign-in links (once) and sessions that have not expired, by user."""
    table = Table("user", "kind", "created", "expires")
    with api.opened(state) as client:
        for each in client.get(list[control.TokenInfo], "labeling-queue", "tokens"):
            expires = f"{each.expires_at:%Y-%m-%d %H:%M}" if each.expires_at else "never"
            table.add_row(escape(each.user), each.kind, f"{each.at:%Y-%m-%d %H:%M}", expires)
    Console().print(table)


@cli.command()
def revoke(user: str, state: connection.State = None) -> None:
    """Revoke all tokens, sign-in links and sessions of a user at once."""
    with api.opened(state) as client:
        count = client.send("DELETE", control.Count, "labeling-queue", "users", user, "tokens").count
    print(f"{count} revoked")
