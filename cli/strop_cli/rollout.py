"""`strop rollout`: how models are rolled out, how far the rollout is, and decisions about it."""

import time
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from strop_cli import api, connection, policy
from strop_contracts import control, control_rollouts, states

_LOOK = 2.0  # seconds between two requests for the state

cli = typer.Typer(no_args_is_help=True, help="Rollouts: policy, state and checks, approve, hold, resume, abort.")

Reason = Annotated[str, typer.Option(help="Recorded with the decision, your name and the time.")]


@cli.command("policy")
def policy_(
    project: str,
    values: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE]...", help="Values to change; without any, all are shown."),
    ] = None,
    state: connection.State = None,
) -> None:
    """Show or change how models are rolled out: stages, soak time, checks, approval, maintenance windows."""
    path = ("deployer", "projects", project, "rollout", "policy")
    with api.opened(state) as client:
        if values:
            body = control.PolicyChanges(values=policy.changes(values))
            found = client.send("PATCH", control_rollouts.RolloutPolicy, *path, body=body)
        else:
            found = client.get(control_rollouts.RolloutPolicy, *path)
    version = found.version
    title = (
        f"rollout policy version {version}" if version else "rollout policy version 0: the defaults, none was set yet"
    )
    table = Table("name", "value", "meaning", title=title, title_justify="left")
    for each in found.values:
        table.add_row(each.name, each.value, each.meaning)
    Console().print(table)


@cli.command()
def status(
    project: str,
    watch: Annotated[bool, typer.Option("--watch", help="Print again when something changes, until the end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON document, one a line.")] = False,
    state: connection.State = None,
) -> None:
    """Show the newest rollout: its stages, the checks of the new model, decisions, and what it waits for."""
    shown = ""
    with api.opened(state) as client:
        while True:
            found = client.get(control_rollouts.Rollouts, "deployer", "projects", project, "rollout")
            text = found.model_dump_json() if as_json else "\n".join(lines(found))
            if text != shown:
                print(text, flush=True)
                shown = text
            if not watch or not found.rollouts or ended(found.rollouts[0]):
                return
            time.sleep(_LOOK)


def ended(rollout: control_rollouts.Rollout) -> bool:
    """Return whether nothing changes any more."""
    return rollout.state != states.DeploymentState.RUNNING


def lines(found: control_rollouts.Rollouts) -> Iterator[str]:
    """Return the newest deployment, and the rollout that it takes back, one fact a line."""
    if not found.rollouts:
        yield f"nothing was rolled out in {found.project} yet"
        return
    newest, *earlier = found.rollouts
    yield from _described(newest)
    if newest.kind == states.DeploymentKind.ROLLBACK and earlier:
        yield from _described(earlier[0])


def _described(rollout: control_rollouts.Rollout) -> Iterator[str]:
    before = f" after v{rollout.previous}" if rollout.previous else ""
    reason = f": {rollout.reason}" if rollout.reason else ""
    by = f" by {rollout.ended_by}" if rollout.ended_by else ""
    yield f"{rollout.kind} of v{rollout.version}{before} {rollout.state}{by}{reason}"
    if rollout.reached is not None:
        seconds = rollout.seconds_to_restore
        restored = "not restored yet" if seconds is None else f"restored in {seconds:.1f} s"
        yield f"  {rollout.reached} of {rollout.devices} devices had v{rollout.version}, {restored}"
    for stage in rollout.stages:
        failed = f", {stage.failed} failed" if stage.failed else ""
        opened = f"{stage.installed} of {stage.devices} installed{failed}" if stage.opened else "not open"
        yield f"  stage {stage.number}, up to {stage.share:.0%}: {opened}"
    if rollout.held_by:
        yield f"  held by {rollout.held_by}: {rollout.held_reason}"
    elif rollout.waits_for:
        yield f"  the next stage waits for {rollout.waits_for}"
    yield from (f"  {check.name}: {check.verdict}. {check.sentence}" for check in rollout.checks)
    for each in rollout.decisions:
        yield f"  {each.at:%Y-%m-%d %H:%M} {each.action} by {each.by} in stage {each.stage}: {each.reason}"


def _decide(project: str, action: states.RolloutAction, reason: str, state: connection.State) -> None:
    with api.opened(state) as client:
        body = control.Signature(reason=reason)
        client.change("POST", "deployer", "projects", project, "rollout", action, body=body)


@cli.command()
def approve(project: str, reason: Reason, state: connection.State = None) -> None:
    """Open the next stage now. Harm that checks have found so far is accepted for this rollout."""
    _decide(project, states.RolloutAction.APPROVE, reason, state)
    print(f"the rollout in {project} goes on")


@cli.command()
def hold(project: str, reason: Reason, state: connection.State = None) -> None:
    """Let no further stage open. Harm that a check finds still takes the fleet back."""
    _decide(project, states.RolloutAction.HOLD, reason, state)
    print(f"the rollout in {project} is held")


@cli.command()
def resume(project: str, reason: Reason, state: connection.State = None) -> None:
    """End a hold that a person has made."""
    _decide(project, states.RolloutAction.RESUME, reason, state)
    print(f"the rollout in {project} goes on by its rules")


@cli.command()
def abort(project: str, reason: Reason, state: connection.State = None) -> None:
    """Take the running rollout back: the whole fleet returns to the last good model."""
    _decide(project, states.RolloutAction.ABORT, reason, state)
    print(f"the rollout in {project} is taken back")
