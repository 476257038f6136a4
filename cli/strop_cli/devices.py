"""`strop devices`: who may speak in a project."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import enrolment
from strop import app
from strop_cli import connection

cli = typer.Typer(no_args_is_help=True, help="Devices: a message from one that was not added is refused.")


Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="One or more devices.")]
Change = Callable[[AsyncSession, str, str], Awaitable[None]]


@cli.command()
def add(project: str, names: Names, state: connection.State = None) -> None:
    """Enrol devices: all of those named, or none."""
    _change(enrolment.add_device, project, names, state)
    print(f"{project} may now hear from {', '.join(names)}")


@cli.command()
def remove(project: str, names: Names, state: connection.State = None) -> None:
    """Refuse what devices say from now on: all of those named, or none. Their captures stay; `add` lets them in again."""
    _change(enrolment.remove_device, project, names, state)
    print(f"{project} no longer hears from {', '.join(names)}")


def _change(change: Change, project: str, names: Sequence[str], state: connection.State) -> None:
    """Do it for each in one transaction."""

    async def work(runtime: app.Runtime) -> None:
        async with runtime.sessions.begin() as session:
            for name in names:
                await change(session, project, name)

    connection.run(state, work)


@cli.command("list")
def list_(project: str, state: connection.State = None) -> None:
    """Show a project's devices, the model each runs and when it last told how it is."""

    async def work(runtime: app.Runtime) -> Table:
        table = Table("device", "model", "last state")
        async with runtime.sessions() as session:
            for device in await enrolment.devices(session, project):
                heard = f"{device.seen_at:%Y-%m-%d %H:%M:%S}" if device.seen_at else "never"
                table.add_row(device.name, device.model or "none", heard)
        return table

    Console().print(connection.run(state, work))
