"""The `strop` command."""

# First: it decides where the other modules come from.
from strop_cli import start  # isort: split

if __name__ == "__main__":
    start.without_foreign_modules()

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError

from strop_cli import certs, datasets, devices, dlq, ledger, policy, projects, registry, setup, status, tokens, up
from strop_contracts import errors

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Strop keeps the image classifiers of an edge fleet sharp. `strop up` runs it all on this machine.",
)
cli.command()(up.up)
cli.command()(setup.setup)
cli.add_typer(projects.cli, name="projects")
cli.add_typer(devices.cli, name="devices")
cli.add_typer(datasets.cli, name="datasets")
cli.add_typer(policy.cli, name="policy")
cli.command()(registry.train)
cli.add_typer(registry.cli, name="models")
cli.command()(registry.rollback)
cli.add_typer(dlq.cli, name="dlq")
cli.add_typer(tokens.cli, name="token")
cli.add_typer(certs.cli, name="certs")
cli.command()(status.status)
cli.command()(ledger.ledger)


@cli.command()
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
    from strop_cli.demo import run
    from strop_cli.platform import isolation

    isolation.clean(os.environ)
    options = run.Options(state.resolve(), images, devices, auto_label, exit, report)
    found = asyncio.run(run.run(options))
    if found and not found.clean:
        raise typer.Exit(1)


def main() -> None:
    """Run the command; what a person can do something about is said in one line."""
    try:
        cli()
    except errors.StropError as error:
        sys.exit(f"strop: {error}")
    except (ConnectionError, BotoCoreError) as error:
        sys.exit(f"strop: cannot reach the platform ({error}): is `strop up` running?")


if __name__ == "__main__":
    main()
