"""`strop token`: create, list and revoke tokens and sign-in links."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from strop_cli import api, connection
from strop_contracts import access, control
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
        Role | None, typer.Option(help="Also give the user this role; see `strop users --help`. Needed for a new user.")
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
    given = {"user": user, "kind": "once" if link else "api", "role": role, "project": project, "days": days}
    body = control.NewToken.model_validate(given)
    with api.opened(state) as client:
        token = client.send("POST", control.Token, "labeling-queue", "tokens", body=body).token
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
    body = control.Revocation(user=user)
    with api.opened(state) as client:
        print(f"{client.send('POST', control.Count, 'labeling-queue', 'tokens', 'revoke', body=body).count} revoked")
