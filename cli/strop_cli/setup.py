"""`strop setup`: what the services need before they start. `strop up` does the same for itself."""

import sys
from typing import Annotated

import typer

from strop_cli import connection


def _pairs(given: list[str] | None) -> list[str] | None:
    for each in given or []:
        if each.count("/") != 1:
            raise typer.BadParameter(f"{each!r} is not PROJECT/NAME")
    return given


def setup(
    devices: Annotated[
        list[str] | None,
        typer.Option("--device", metavar="PROJECT/NAME", callback=_pairs, help="Enrol this device if it is not."),
    ] = None,
    admin: Annotated[
        str | None, typer.Option(metavar="NAME", help="Make this user an admin and print a token, the first one.")
    ] = None,
    state: connection.State = None,
) -> None:
    """Migrate the database; create the queues, the bucket and its notifications. Idempotent.

    It needs the database, unlike other commands. A token in STROP_TOKEN, or in the secret `strop_token`, becomes the
    token of the user `operator`, an admin.
    """
    import asyncio

    from strop_cli import installation

    if state:
        connection.load(state)
    pairs = [(project, name) for project, _, name in (each.partition("/") for each in devices or [])]
    if token := asyncio.run(installation.install(installation.settings(), pairs, admin)):
        print(token)
    print("tables, queues and bucket are ready", file=sys.stderr)  # standard output is for the token
