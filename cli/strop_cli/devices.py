"""`strop devices`: who may speak in a project."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ingest import enrolment
from strop import app
from strop_cli import connection

cli = typer.Typer(no_args_is_help=True, help="Devices: a message from one that was not added is refused.")


@cli.command()
def add(
    project: str,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="One or more devices.")],
    state: connection.State = None,
) -> None:
    """Enrol devices: all of those named, or none."""

    async def work(runtime: app.Runtime) -> None:
        async with runtime.sessions.begin() as session:
            for name in names:
                await enrolment.add_device(session, project, name)

    connection.run(state, work)
    print(f"{project} may now hear from {', '.join(names)}")


@cli.command()
def remove(
    project: str,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="One or more devices.")],
    state: connection.State = None,
) -> None:
    """Refuse what devices say from now on: all of those named, or none. Their captures stay; `add` lets them in again."""

    async def work(runtime: app.Runtime) -> None:
        async with runtime.sessions.begin() as session:
            for name in names:
                await enrolment.remove_device(session, project, name)

    connection.run(state, work)
    print(f"{project} no longer hears from {', '.join(names)}")


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
