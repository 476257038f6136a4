"""`strop login`: store the address of Strop and a token for later commands."""

from typing import Annotated

import typer

from strop_cli import access, api, envfile
from strop_contracts import control


def login(
    url: Annotated[str, typer.Argument(help="Address of the pages, such as https://strop.example.org.")],
    token: Annotated[
        str,
        typer.Option(prompt="Token", hide_input=True, envvar="STROP_TOKEN", help="Else it is asked for."),
    ],
) -> None:
    """Check a token and store it with the URL, readable by you alone, for all later commands."""
    wanted = access.checked(url.rstrip("/"), token)
    with api.Api(wanted) as client:
        caller = client.get(control.Caller, "labeling-queue", "caller")
    path = access.config()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    envfile.write(path, {"STROP_URL": wanted.url, "STROP_TOKEN": wanted.token})
    print(f"logged in to {wanted.url} as {caller.user}; stored in {path}")
