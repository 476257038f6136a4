"""Where Strop is and with which token: of a `--state` folder, the environment, or the file that `strop login` writes."""

import os
from dataclasses import dataclass
from pathlib import Path

from strop_cli import connection, envfile
from strop_contracts import errors

HINT = (
    "the address of Strop is not configured: run `strop login URL`, set STROP_URL and STROP_TOKEN, or give --state DIR, the "
    "folder of a running `strop up`"
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
    """Return the address and the token. Raises Refused if none is configured.

    The file of `strop login` counts only without STROP_URL, so that its token is never sent to another address.
    """
    if state:
        connection.load(state)
    env = dict(os.environ)
    if not env.get("STROP_URL"):
        env |= _stored()
    if not (url := env.get("STROP_URL")):
        raise errors.Refused(HINT)
    if not (token := env.get("STROP_TOKEN") or _secret(env.get("STROP_SECRETS_DIR"))):
        raise errors.Refused(f"STROP_URL is {url}, and STROP_TOKEN is not set: run `strop login {url}`")
    return checked(url, token)


def checked(url: str, token: str) -> Access:
    """Return the pair. Raises Refused if the token has characters that no token has."""
    token = token.strip()
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise errors.Refused("the token has characters that no token has: copy it again, on one line")
    return Access(url, token)


def _stored() -> dict[str, str]:
    path = config()
    if not path.exists():
        return {}
    try:
        return envfile.read(path)
    except (OSError, errors.StropError):
        raise errors.StropError(f"{path} cannot be read: `strop login URL` writes it again") from None


def _secret(folder: str | None) -> str:
    """Return the token of the folder of secrets; "" if it has none."""
    path = Path(folder or "") / "strop_token"
    return path.read_text() if folder and path.exists() else ""
