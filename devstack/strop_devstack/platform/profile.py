"""What AWS clients need on one machine: a key pair of this folder's own, and the files that name it as a profile.

The profiles are those of AWS's guides, all with the same keys. Their files take the place of the person's own, so that
nothing meant for Strop can reach an account at AWS, and no profile there is hidden by one of the same name here.
"""

import configparser
import secrets
from pathlib import Path

from strop_devstack.platform import aws
from strop_devstack.platform.errors import PlatformError
from strop_edge import disk

NAMES = ("default", "customlabels-iam", "custom-labels-access")

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

# `aws rekognition wait` looks every 2 minutes at a training, every 30 seconds at a start. AWS bills by the hour; here it
# takes seconds, so these waiters look every second, for as long in all.
_WAITERS = Path(__file__).parent / "waiters"


def env(state: Path) -> dict[str, str]:
    """Make the files, with the keys that are there already, and return the environment that leads clients to them.

    It names no profile: keys and a profile in one environment are two sources, of which the JavaScript SDK warns.
    """
    folder = state / "profile"
    folder.mkdir(mode=0o700, exist_ok=True)
    config, credentials = folder / "config", folder / "credentials"
    key_id, secret = _read(credentials) if credentials.exists() else (_key_id(), _secret())
    pair = f"aws_access_key_id = {key_id}\naws_secret_access_key = {secret}\n"
    _keep(config, "".join(f"[{_section(name)}]\nregion = {aws.REGION}\n" for name in NAMES))
    _keep(credentials, "".join(f"[{name}]\n{pair}" for name in NAMES))
    return {
        "AWS_ACCESS_KEY_ID": key_id,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
        "AWS_DATA_PATH": str(_WAITERS),
    }


def _section(name: str) -> str:
    """Return the head of a profile in the file `config`: there, the prefix is needed by all but one."""
    return name if name == "default" else f"profile {name}"


def _keep(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        disk.write(path, text.encode(), mode=0o600)


def _key_id() -> str:
    """As long as AWS's, without their prefix, so that it is not mistaken for one of theirs."""
    return "STROP" + "".join(secrets.choice(_ALPHABET) for _ in range(15))


def _secret() -> str:
    return secrets.token_urlsafe(30)


def _read(credentials: Path) -> tuple[str, str]:
    """Return the keys that an earlier start made."""
    pair = configparser.RawConfigParser()
    try:
        text = credentials.read_text()
        pair.read_string(text)
        kept = pair[pair.sections()[0]]
        if text.endswith("\n"):  # else it was cut
            return kept["aws_access_key_id"], kept["aws_secret_access_key"]
    except (configparser.Error, IndexError, KeyError, UnicodeDecodeError):
        pass
    raise PlatformError(
        f"{credentials} is damaged: put it back from a copy, or remove it to have a new key pair "
        "(clients that use the old one must then be given the new one)"
    )
