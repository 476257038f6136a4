"""The commands that this package adds to `strop`: `up` and `demo`. Each imports what it needs when it is called."""

import os
from pathlib import Path
from typing import Annotated

import typer

from strop_cli import isolation


def add(cli: typer.Typer) -> None:
    """Add the commands; the entry point `strop.commands` names this function."""
    cli.command("up")(up)
    cli.command("demo")(demo)


def up(
    state: Annotated[
        Path, typer.Option(help="Folder for everything; used again, also that of a demo, it continues.")
    ] = Path(".strop/up"),
    port: Annotated[int | None, typer.Option(help="Port of the pages and the API; else the one used before.")] = None,
    apart: Annotated[
        bool, typer.Option("--processes", help="Give each service a process of its own, restarted when it ends.")
    ] = False,
    restore: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="First restore the newest backup in this folder, into a new state."),
    ] = None,
) -> None:
    """Run PostgreSQL, an MQTT broker, S3 and SQS, and all services here; STATE/strop.env has their addresses."""
    from strop_devstack import up as stack

    stack.run(state, port, apart=apart, backup=restore)


def demo(
    state: Annotated[Path, typer.Option(help="Folder of the demo, made anew at each start; the images stay.")] = Path(
        ".strop/demo"
    ),
    images: Annotated[
        Path | None, typer.Option(help="A tree LABEL/*.jpg of photographs, in place of rendered ones.")
    ] = None,
    devices: Annotated[int, typer.Option(min=1, help="How many devices to simulate.")] = 12,
    auto_label: Annotated[bool, typer.Option(help="Let a simulated labeler answer from the known truth.")] = True,
    exit: Annotated[bool, typer.Option("--exit", help="End after the closing table.")] = False,  # noqa: A002 - the option's name
    report: Annotated[Path | None, typer.Option(help="Write the closing table as JSON here.")] = None,
) -> None:
    """Show the whole loop here: a fleet whose conditions drift, labels, a better model on every device."""
    import asyncio

    from strop_devstack.demo import run

    isolation.clean(os.environ)
    options = run.Options(state.resolve(), images, devices, auto_label, exit, report)
    found = asyncio.run(run.run(options))
    if found and not found.clean:
        raise typer.Exit(1)
