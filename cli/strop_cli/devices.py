"""`strop devices`: enrol, remove and list the devices of a project."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from strop_cli import api, connection
from strop_contracts import control

cli = typer.Typer(no_args_is_help=True, help="Devices: messages of a device that is not enrolled are refused.")

Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="One or more devices.")]


def _path(project: str) -> tuple[str, str, str, str]:
    return "ingest", "projects", project, "devices"


@cli.command()
def add(
    project: str,
    names: Names,
    alias: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of a single device: it may also serve /request/classify/NAME.")
    ] = None,
    state: connection.State = None,
) -> None:
    """Enrol devices: all of those named, or none."""
    wanted = control.NewDevices(names=names, alias=alias)
    with api.opened(state) as client:
        client.send("POST", control.NewDevices, *_path(project), body=wanted)
    print(f"enrolled in {project}: {', '.join(names)}")


@cli.command()
def remove(project: str, names: Names, state: connection.State = None) -> None:
    """Refuse messages of devices from now on: of all those named, or of none. Their captures stay; `add` enrols them again."""
    with api.opened(state) as client:
        client.change("POST", *_path(project), "remove", body=control.Devices(names=names))
    print(f"removed from {project}: {', '.join(names)}")


@cli.command()
def group(
    project: str,
    group: Annotated[str, typer.Argument(help='The group, or "" for none.')],
    names: Names,
    state: connection.State = None,
) -> None:
    """Put devices into a group, all of those named or none: accuracy, rollouts and `strop fleet` show groups. A device has at most one."""
    with api.opened(state) as client:
        client.change("POST", *_path(project), "group", body=control.DeviceGroup(names=names, group=group))
    print(f"{f'in group {group}' if group else 'without a group'}: {', '.join(names)}")


@cli.command("list")
def list_(project: str, state: connection.State = None) -> None:
    """List a project's devices, the model of each, and the time of its last state report."""
    table = Table("device", "model", "last state")
    with api.opened(state) as client:
        for device in client.get(list[control.Device], *_path(project)):
            seen = f"{device.seen_at:%Y-%m-%d %H:%M:%S}" if device.seen_at else "never"
            table.add_row(device.name, device.model or "none", seen)
    Console().print(table)
