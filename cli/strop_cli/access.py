"""Where Strop is and with which token: of a `--state` folder, the environment, or the file that `strop login` writes."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from strop_cli import connection, envfile
from strop_contracts import control, errors

HINT = (
    "it is not known where Strop is: run `strop login URL`, set STROP_URL and STROP_TOKEN, or give --state DIR, the folder "
    "of a running `strop up`"
)


@dataclass(frozen=True)
class Access:
    url: str
    token: str


def config() -> Path:
    """Return the file of `strop login`: in XDG_CONFIG_HOME, else in ~/.config."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "strop" / "login.env"


def find(state: Path | None) -> Access:
    """Return the address and the token. Raises Refused if none is configured."""
    if state:
        connection.load(state)
    env = dict(os.environ)
    if "STROP_URL" not in env and config().exists():
        env |= envfile.read(config())
    if folder := env.get("STROP_SECRETS_DIR"):
        secret = Path(folder) / "strop_token"
        if "STROP_TOKEN" not in env and secret.exists():
            env["STROP_TOKEN"] = secret.read_text().strip()
    if not (url := env.get("STROP_URL")):
        raise errors.Refused(HINT)
    if not (token := env.get("STROP_TOKEN")):
        raise errors.Refused(f"STROP_URL is {url}, and STROP_TOKEN is not set: run `strop login {url}`")
    return Access(url, token)


def login(
    url: Annotated[str, typer.Argument(help="Address of the pages, such as https://strop.example.org.")],
    token: Annotated[
        str,
        typer.Option(prompt="Operator's token", hide_input=True, envvar="STROP_TOKEN", help="Else it is asked for."),
    ],
) -> None:
    """Check a token and store it with the URL, readable by you alone, for all later commands."""
    from strop_cli import api

    url = url.rstrip("/")
    with api.Api(Access(url, token.strip())) as opened:
        caller = opened.get(control.Caller, "labeling-queue", "caller")
    path = config()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    envfile.write(path, {"STROP_URL": url, "STROP_TOKEN": token.strip()})
    print(f"logged in to {url} as {caller.user}; stored in {path}")
