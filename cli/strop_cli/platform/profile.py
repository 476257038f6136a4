"""What AWS clients need on one machine: a key pair of this folder's own, and the files that name it as a profile.

The profile is the walkthrough's. Its files take the place of the person's own, so that nothing meant for Strop can reach an
account at AWS, and no profile there is hidden by one of the same name here.
"""

import configparser
import secrets
from pathlib import Path

from strop_cli.platform.errors import PlatformError
from strop_edge import disk

NAME = "customlabels-iam"
REGION = "us-east-1"
"""Of the profile alone: what it is for has one endpoint for every region."""

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

# `aws rekognition wait` looks every 2 minutes at a training, every 30 seconds at a start. AWS bills by the hour; here it
# takes seconds, so these waiters look every second, for as long in all.
_WAITERS = Path(__file__).parent / "waiters"


def env(state: Path) -> dict[str, str]:
    """Make the files where they are missing, and return the environment that leads clients to them."""
    folder = state / "profile"
    config, credentials = folder / "config", folder / "credentials"
    if not credentials.exists():
        folder.mkdir(mode=0o700, exist_ok=True)
        pair = f"[{NAME}]\naws_access_key_id = {_key_id()}\naws_secret_access_key = {_secret()}\n"
        disk.write(credentials, pair.encode(), mode=0o600)
    settings = f"[profile {NAME}]\nregion = {REGION}\n".encode()
    if not config.exists() or config.read_bytes() != settings:
        disk.write(config, settings)
    key_id, secret = _read(credentials)
    return {
        "AWS_ACCESS_KEY_ID": key_id,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
        "AWS_PROFILE": NAME,  # the one of the person's shell is not in these files
        "AWS_DATA_PATH": str(_WAITERS),
    }


def _key_id() -> str:
    """As long as AWS's, without their prefix: nobody shall take it for one of theirs."""
    return "STROP" + "".join(secrets.choice(_ALPHABET) for _ in range(15))


def _secret() -> str:
    return secrets.token_urlsafe(30)


def _read(credentials: Path) -> tuple[str, str]:
    pair = configparser.RawConfigParser()
    try:
        text = credentials.read_text()
        pair.read_string(text)
        if text.endswith("\n"):  # else it was cut
            return pair[NAME]["aws_access_key_id"], pair[NAME]["aws_secret_access_key"]
    except (configparser.Error, KeyError, UnicodeDecodeError):
        pass
    raise PlatformError(
        f"{credentials} is damaged: put it back from a copy, or remove it to have a new key pair "
        "(clients that use the old one must then be given the new one)"
    )
