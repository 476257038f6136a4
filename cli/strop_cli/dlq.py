"""`strop dlq`: the messages that nobody could handle, and what shall become of them."""

from typing import Annotated
from uuid import UUID

import typer

from strop import app, deadletters
from strop_cli import connection
from strop_contracts import errors, states, tables, topology

SHOWN = 200
"""Letters in a list."""
READABLE = 4000
"""Characters of a message that are shown unless all are asked for."""

cli = typer.Typer(no_args_is_help=True, help="Dead letters: messages that could not be handled, with the reason.")


def _known(service: str | None) -> str | None:
    if service is not None and service not in topology.SERVICES:
        raise typer.BadParameter(f"{service!r} is none of {', '.join(topology.SERVICES)}")
    return service


Service = Annotated[str | None, typer.Option(callback=_known, help="Only the letters of this service.")]
Letters = Annotated[list[UUID] | None, typer.Argument(metavar="[ID...]", help="One or more letters, by id.")]
Every = Annotated[bool, typer.Option("--all", help="All open letters; of one service with --service.")]


@cli.command("list")
def list_(service: Service = None, state: connection.State = None) -> None:
    """Show the open letters, the latest first."""

    async def work(runtime: app.Runtime) -> list[str]:
        async with runtime.sessions() as session:
            await session.connection(
                execution_options={"isolation_level": "REPEATABLE READ"}
            )  # the count fits the list
            found = await deadletters.list_open(session, service, SHOWN)
            counts = await deadletters.count_open(session)
        total = counts.get(service, 0) if service else sum(counts.values())
        end = f"{total} open, the latest {len(found)} shown" if total > len(found) else f"{total} open"
        return [*map(_line, found), end]

    print("\n".join(connection.run(state, work)))


def _line(letter: tables.DeadLetter) -> str:
    """Two lines: a reason in a column of a table would be cut where people read it, and where programs do."""
    often = "once" if letter.count == 1 else f"{letter.count} times"
    return f"{letter.id}  {letter.service}  {often}, last {letter.last_at:%Y-%m-%d %H:%M:%S}\n    {letter.reason}"


@cli.command()
def show(
    letter: Annotated[UUID, typer.Argument(metavar="ID")],
    full: Annotated[bool, typer.Option("--full", help="The whole message, however long.")] = False,
    state: connection.State = None,
) -> None:
    """Show one letter: why, when, how often, and the message itself."""

    async def work(runtime: app.Runtime) -> str:
        async with runtime.sessions() as session:
            found = await deadletters.get(session, letter)
        facts = {
            "service": found.service,
            "state": found.state,
            "reason": found.reason,
            "given up": f"{found.count} times" if found.count > 1 else "once",
            "first": f"{found.first_at:%Y-%m-%d %H:%M:%S}",
            "last": f"{found.last_at:%Y-%m-%d %H:%M:%S}",
        }
        body = deadletters.pretty(found.body)
        if len(body) > READABLE and not full:
            body = f"{body[:READABLE]}\n… and {len(body) - READABLE} characters more: --full"
        return "\n".join([*(f"{name:10}{value}" for name, value in facts.items()), "", body])

    print(connection.run(state, work))


@cli.command()
def retry(
    letters: Letters = None, every: Every = False, service: Service = None, state: connection.State = None
) -> None:
    """Send letters to their services again. One that is given up again is open again, with its count one higher."""
    done = _decide(deadletters.retry, letters, every, service, state)
    print(f"{done} sent again")


@cli.command()
def drop(
    letters: Letters = None, every: Every = False, service: Service = None, state: connection.State = None
) -> None:
    """Give letters up for good. Their rows stay, and `show` still shows them."""
    done = _decide(deadletters.drop, letters, every, service, state)
    print(f"{done} dropped")


def _decide(
    decide: deadletters.Decide, letters: list[UUID] | None, every: bool, service: str | None, state: connection.State
) -> int:
    if every == bool(letters):
        raise errors.Refused("say which letters: their ids (`strop dlq list` shows them), or --all")

    async def work(runtime: app.Runtime) -> int:
        async with runtime.sessions.begin() as session:
            if letters:  # all of them or none
                locked = await deadletters.lock(session, letters)
                if gone := [
                    _what(each, locked.get(each)) for each in letters if locked.get(each) != states.LetterState.OPEN
                ]:
                    raise errors.Refused(f"nothing is changed: {'; '.join(gone)}")
            return await decide(session, letters, service)

    return connection.run(state, work)


def _what(letter: UUID, state: str | None) -> str:
    return f"{letter} was {state}" if state else f"there is no dead letter {letter}"
