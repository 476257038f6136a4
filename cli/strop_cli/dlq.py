"""`strop dlq`: messages that could not be handled: list, show, retry, drop."""

from typing import Annotated
from uuid import UUID

import typer

from strop_cli import api, connection
from strop_contracts import control, errors

READABLE = 4000
"""Characters of a message that are shown unless all are asked for."""

cli = typer.Typer(no_args_is_help=True, help="Dead letters: messages that could not be handled, with the reason.")


def _known(service: str | None) -> str | None:
    if service is None:
        return None
    from strop_contracts import topology

    if service not in topology.SERVICES:
        raise typer.BadParameter(f"{service!r} is none of {', '.join(topology.SERVICES)}")
    return service


Service = Annotated[str | None, typer.Option(callback=_known, help="Only the letters of this service.")]
Letters = Annotated[list[UUID] | None, typer.Argument(metavar="[ID...]", help="One or more letters, by id.")]
Every = Annotated[bool, typer.Option("--all", help="All open letters; of one service with --service.")]


@cli.command("list")
def list_(service: Service = None, state: connection.State = None) -> None:
    """List the open letters, the newest first."""
    with api.opened(state) as client:
        found = client.get(control.DeadLetters, "console", "dead-letters", service=service)
    count = len(found.letters)
    print(*map(_line, found.letters), sep="\n", end="\n" if count else "")
    print(f"{found.total} open, the newest {count} shown" if found.total > count else f"{found.total} open")


def _line(letter: control.DeadLetter) -> str:
    """Return two lines: a table would cut the reason."""
    often = "once" if letter.count == 1 else f"{letter.count} times"
    return f"{letter.id}  {letter.service}  {often}, last {letter.last_at:%Y-%m-%d %H:%M:%S}\n    {letter.reason}"


@cli.command()
def show(
    letter: Annotated[UUID, typer.Argument(metavar="ID")],
    full: Annotated[bool, typer.Option("--full", help="The whole message, however long.")] = False,
    state: connection.State = None,
) -> None:
    """Show one letter: why, when, how often, and the message itself."""
    with api.opened(state) as client:
        found = client.get(control.DeadLetter, "console", "dead-letters", letter)
    facts = {
        "service": found.service,
        "state": found.state,
        "reason": found.reason,
        "failed": f"{found.count} times" if found.count > 1 else "once",
        "first": f"{found.first_at:%Y-%m-%d %H:%M:%S}",
        "last": f"{found.last_at:%Y-%m-%d %H:%M:%S}",
    }
    body = found.body
    if len(body) > READABLE and not full:
        body = f"{body[:READABLE]}\n… and {len(body) - READABLE} characters more: --full"
    print("\n".join([*(f"{name:10}{value}" for name, value in facts.items()), "", body]))


@cli.command()
def retry(
    letters: Letters = None, every: Every = False, service: Service = None, state: connection.State = None
) -> None:
    """Send letters to their services again. One that fails again is open again, with its count one higher."""
    print(f"{_decide('retry', letters, every, service, state)} sent again")


@cli.command()
def drop(
    letters: Letters = None, every: Every = False, service: Service = None, state: connection.State = None
) -> None:
    """Drop letters for good. Their rows stay, and `show` still shows them."""
    print(f"{_decide('drop', letters, every, service, state)} dropped")


def _decide(
    decision: str, letters: list[UUID] | None, every: bool, service: str | None, state: connection.State
) -> int:
    if every == bool(letters):
        raise errors.Refused("name the letters by their ids (`strop dlq list` shows them), or give --all")
    body = control.Decision(letters=letters or None, every=every, service=service)
    with api.opened(state) as client:
        return client.send("POST", control.Count, "console", "dead-letters", decision, body=body).count
