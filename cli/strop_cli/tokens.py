"""`strop token`: who may use the pages and the API."""

from typing import Annotated

import typer

from strop import app
from strop_cli import connection
from strop_web import auth

cli = typer.Typer(no_args_is_help=True, help="Tokens for programs, sign-in links for people.")


@cli.command()
def create(
    user: Annotated[str, typer.Argument(help="Whose name its answers will bear; made when new.")],
    link: Annotated[
        str | None,
        typer.Option(help="Address of the pages: print a one-time sign-in link for it; its button signs in."),
    ] = None,
    state: connection.State = None,
) -> None:
    """Print an API token, or with --link a sign-in link for a person. Neither is shown again."""

    async def work(runtime: app.Runtime) -> str:
        return await sign_in_link(runtime, user, link) if link else await api_token(runtime, user)

    print(connection.run(state, work))


async def api_token(runtime: app.Runtime, user: str) -> str:
    async with runtime.sessions.begin() as session:
        return await auth.make_token(session, user, "api")


async def sign_in_link(runtime: app.Runtime, user: str, url: str) -> str:
    """Return a link to a page whose button signs in one browser, once."""
    async with runtime.sessions.begin() as session:
        token = await auth.make_token(session, user, "once")
    return f"{url.rstrip('/')}/sign-in?token={token}"
