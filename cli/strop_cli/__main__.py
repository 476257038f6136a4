"""The `strop` command."""

# First: it decides where the other modules come from.
from strop_cli import start  # isort: split

if __name__ == "__main__":
    start.without_foreign_modules()

import sys

import typer
from pydantic import ValidationError

from strop_cli import (
    backup,
    certs,
    datasets,
    devices,
    dlq,
    doctor,
    fleet,
    labels,
    ledger,
    login,
    plugins,
    policy,
    projects,
    quality,
    registry,
    roles,
    rollout,
    setup,
    status,
    tokens,
    trace,
    triggers,
    users,
)
from strop_contracts import errors

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Strop keeps the image classifiers of an edge fleet sharp. `strop up` runs it all on this machine.",
)
cli.command()(setup.setup)
cli.command()(login.login)
cli.command()(backup.backup)
cli.command()(backup.restore)
cli.add_typer(projects.cli, name="projects")
cli.add_typer(devices.cli, name="devices")
cli.command()(fleet.fleet)
cli.add_typer(datasets.cli, name="datasets")
cli.add_typer(labels.cli, name="labels")
cli.add_typer(policy.cli, name="policy")
cli.command()(registry.train)
cli.command()(triggers.triggers)
cli.command()(quality.quality)
cli.add_typer(registry.cli, name="models")
cli.add_typer(rollout.cli, name="rollout")
cli.command()(registry.rollback)
cli.add_typer(dlq.cli, name="dlq")
cli.add_typer(tokens.cli, name="token")
cli.add_typer(users.cli, name="users")
cli.command()(users.audit)
cli.add_typer(certs.cli, name="certs")
cli.command()(roles.roles)
cli.command()(status.status)
cli.command()(trace.trace)
cli.command()(ledger.ledger)
cli.command()(doctor.doctor)
plugins.add(cli)


def main() -> None:
    """Run the command; errors that the caller can correct are one line."""
    try:
        cli()
    except errors.StropError as error:
        sys.exit(f"strop: {error}")
    except ValidationError as error:  # of an argument
        sys.exit("strop: " + "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()))
    except ConnectionError as error:
        sys.exit(f"strop: cannot reach the platform ({error}): is `strop up` running?")


if __name__ == "__main__":
    main()
