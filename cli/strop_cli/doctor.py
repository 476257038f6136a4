"""`strop doctor`: check the way to a running Strop, and collect what a bug report needs, without secrets."""

import os
import platform
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

import strop_edge
from strop_cli import access, api, connection, redaction
from strop_contracts import control, errors

_PACKAGES = ("aiobotocore", "alembic", "asyncpg", "fastapi", "httpx", "numpy", "onnxruntime", "pydantic", "sqlalchemy")


@dataclass(frozen=True)
class Check:
    name: str
    result: str  # what was found, or the error
    ok: bool = True

    def __str__(self) -> str:
        return f"{'ok  ' if self.ok else 'FAIL'} {self.name}: {redaction.text(self.result)}"


def doctor(
    report: Annotated[
        bool, typer.Option("--report", help="Print versions, settings and checks for a bug report, as Markdown.")
    ] = False,
    state: connection.State = None,
) -> None:
    """Check address, token, services and queues. The exit code is 1 if a check fails.

    No check changes anything. Passwords, keys and tokens are not printed; host names and user names are: read the report
    before you publish it.
    """
    checks = list(_checks(state))
    if report:
        _print("Versions", [f"{name}: {version}" for name, version in versions().items()])
        _print("Settings", [f"{name}={value}" for name, value in redaction.settings(os.environ).items()])
        _print("Checks", list(map(str, checks)))
    else:
        print(*checks, sep="\n")
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def versions() -> dict[str, str]:
    """Return the versions of Strop, Python, the machine and the main packages of this installation."""
    return {
        "strop": f"{strop_edge.__version__}, commit {_commit()}",
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
        **{name: _version(name) for name in _PACKAGES},
    }


def _commit() -> str:
    argv = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _checks(state: Path | None) -> Iterator[Check]:
    """Run the checks in order; without an address, or without an HTTP response, the later ones are left out."""
    from strop_contracts import services

    try:
        where = access.find(state)
        yield Check("address", redaction.address(where.url))
        with api.Api(where) as client:
            yield _ready(client)
            for service in services.ALL:
                yield _check(f"control API of {service.name}", partial(_caller, client, service.name))
            yield _check("queues", partial(_queues, client))
    except errors.StropError as error:
        yield Check("connection", str(error), ok=False)


def _check(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, look())
    except errors.StropError as error:
        return Check(name, str(error), ok=False)


def _ready(client: api.Api) -> Check:
    """Check the process at the address: the database, and what its services wait for."""
    ready = client.ready()
    missing = [name for name, ok in ready.items() if not ok]
    return Check("readiness", f"not ready: {', '.join(missing)}" if missing else ", ".join(ready), ok=not missing)


def _caller(client: api.Api, service: str) -> str:
    return f"token of {client.get(control.Caller, service, 'caller').user}"


def _queues(client: api.Api) -> str:
    status = client.get(control.Status, "console", "status")
    counts = [f"{each.name} {each.waiting} waiting, {each.dead} dead letters" for each in status.services]
    return "; ".join([f"{len(status.projects)} projects", f"{status.unsent} unsent", *counts])


def _print(title: str, lines: list[str]) -> None:
    print(f"### {title}", "```text", *lines, "```", "", sep="\n")
