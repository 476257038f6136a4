"""`strop token`: create tokens for programs, people and operators."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from strop_cli import api, connection
from strop_contracts import control, errors

cli = typer.Typer(no_args_is_help=True, help="Tokens for programs and operators, sign-in links for people.")


@cli.command()
def create(
    user: Annotated[str, typer.Argument(help="Name of the user; created if missing.")],
    link: Annotated[
        str | None,
        typer.Option(help="Address of the pages: print a one-time sign-in link for it; its button signs in."),
    ] = None,
    operator: Annotated[
        bool, typer.Option("--operator", help="A token for this command, `strop`; others label images only.")
    ] = False,
    state: connection.State = None,
) -> None:
    """Print an API token, or with --link a sign-in link for a person. Neither is shown again."""
    if link and operator:
        raise errors.Refused("give --link or --operator, not both")
    kind = "once" if link else "operator" if operator else "api"
    body = control.NewToken.model_validate({"user": user, "kind": kind})
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
