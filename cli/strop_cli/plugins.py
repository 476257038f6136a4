"""Commands of packages that are optional: `strop up` and `strop demo` come with the development stack."""

from importlib.metadata import entry_points

import typer

from strop_contracts import errors

GROUP = "strop.commands"
"""Entry points of this group are functions that add commands to the `strop` command."""

_OPTIONAL = ("up", "demo")
_ANY = {"ignore_unknown_options": True, "allow_extra_args": True}


def add(cli: typer.Typer) -> None:
    """Add the commands of all installed packages; a command that is not installed explains how to get it."""
    for each in entry_points(group=GROUP):
        each.load()(cli)
    present = {command.name for command in cli.registered_commands}
    for name in _OPTIONAL:
        if name not in present:
            cli.command(name, hidden=True, add_help_option=False, context_settings=_ANY)(_missing)


def _missing(context: typer.Context) -> None:
    raise errors.NotFound(
        f"`strop {context.info_name}` is part of the development stack, which is not installed here: "
        f"run `make {context.info_name}` in a clone of Strop's repository"
    )
