"""`strop train`, `strop models` and `strop rollback`: request a model, list and approve models, take one back."""

import json
import time
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from strop_cli import api, connection, differences, policy, progress
from strop_contracts import control, errors, states

_LOOK = 0.5  # seconds between two requests for the state of a run

cli = typer.Typer(no_args_is_help=True, help="Model versions: their accuracy, the gate's verdict, their deployment.")


def number(version: str) -> int:
    """Read a model version as people write it: 3 or v3."""
    if not (digits := version.removeprefix("v")).isdecimal():
        raise typer.BadParameter(f"{version!r} is not a model version, such as v3")
    return int(digits)


Version = Annotated[int, typer.Argument(parser=number, help="Model version, such as v3.")]


def train(
    project: str,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end, and print the gate's verdict.")] = False,
    backend: Annotated[str | None, typer.Option(help="head, or finetune: minutes, and needs PyTorch.")] = None,
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="An option of the backend; may be repeated.")
    ] = None,
    save: Annotated[bool, typer.Option("--save", help="Train the project's later models in the same way.")] = False,
    state: connection.State = None,
) -> None:
    """Request a training run now, however many new labels there are."""
    choice = control.TrainingChoice(backend=backend, options=options(values or []), save=save)
    with api.opened(state) as client:
        requested = client.send("POST", control.Requested, "trainer", "projects", project, "runs", body=choice)
        print(
            *differences.label_conflicts(requested.conflicts),
            f"training run {requested.run} is requested",
            sep="\n",
            flush=True,
        )
        print(
            outcome(client, requested.run) if wait else f"`strop models list {project}` shows the model when it is done"
        )


def options(values: list[str]) -> dict[str, Any]:
    """Read NAME=VALUE words; a value is JSON, or else a text. Raises Refused if one is malformed, or a name is repeated."""
    return {name: _json(value) for name, value in policy.changes(values).items()}


def _json(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def outcome(client: api.Api, run: UUID) -> str:
    """Wait for the end of a run and return the gate's verdict; the progress is on standard error.

    Raises StropError if the run failed.
    """
    with progress.text() as show:
        while True:
            found = client.get(control.Run, "trainer", "runs", run)
            if found.state == states.RunState.FAILED:
                raise errors.StropError(f"training failed: {found.error}")
            if found.model:
                return verdict(found.model)
            show(found.progress)
            time.sleep(_LOOK)


def rollback(
    project: str,
    version: Annotated[
        int | None, typer.Argument(parser=number, help="Model version to return to; else the last good one.")
    ] = None,
    to: Annotated[int | None, typer.Option(parser=number, help="The same, as an option.")] = None,
    reason: Annotated[str, typer.Option(help="Recorded with the deployment.")] = "taken back by hand",
    state: connection.State = None,
) -> None:
    """Return the whole fleet to an earlier model at once."""
    if None not in {version, to}:
        raise errors.Refused("give the version once")
    body = control.Rollback(version=to if version is None else version, reason=reason)
    with api.opened(state) as client:
        begun = client.send("POST", control.RolledBack, "deployer", "projects", project, "rollback", body=body)
    print(
        "the first rollout is stopped"
        if begun.version is None
        else f"the fleet of {project} goes back to v{begun.version}"
    )


@cli.command("list")
def list_(project: str, state: connection.State = None) -> None:
    """List a project's model versions, newest first, the gate's reasons, and how the latest training run ended."""
    with api.opened(state) as client:
        found = client.get(control.Models, "console", "projects", project, "models")
    table = Table("model", "gate", "field accuracy", "base accuracy", "deployment", "hosted as")
    for model in found.models:
        table.add_row(f"v{model.version}", model.state, model.field, model.base, model.deployment, model.hosted)
    Console().print(table)
    print(*map(verdict, found.models), f"latest training run: {found.latest_run or 'none yet'}", sep="\n")


@cli.command()
def approve(project: str, version: Version, state: connection.State = None) -> None:
    """Approve a model that the gate left undecided or refused, or that was trained for hosting; its rollout begins."""
    with api.opened(state) as client:
        client.change("POST", "trainer", "projects", project, "models", version, "approve")
    print(f"v{version} of {project} is approved: its rollout begins")


@cli.command()
def reject(project: str, version: Version, state: connection.State = None) -> None:
    """Refuse a model that the gate left undecided."""
    with api.opened(state) as client:
        client.change("POST", "trainer", "projects", project, "models", version, "reject")
    print(f"v{version} of {project} is refused")


def verdict(model: control.Verdict) -> str:
    """Return the gate's decision and its reasons, one a line."""
    return "\n  ".join([f"v{model.version} {model.state}:", *model.reasons])
