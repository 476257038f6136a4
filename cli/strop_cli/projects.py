"""`strop projects`: the fleets with one job each."""

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import enrolment
from strop import app
from strop_cli import connection
from strop_contracts import errors, tables

cli = typer.Typer(no_args_is_help=True, help="Projects: a fleet with one job, one set of labels, one model.")


@cli.command()
def create(name: str, state: connection.State = None) -> None:
    """Make a project."""

    async def work(runtime: app.Runtime) -> None:
        async with runtime.sessions.begin() as session:
            await enrolment.create_project(session, name)

    connection.run(state, work)
    print(f"project {name} is there; next: strop devices add {name} DEVICE")


@cli.command("list")
def list_(state: connection.State = None) -> None:
    """Show all projects."""

    async def work(runtime: app.Runtime) -> Table:
        table = Table("project", "since")
        async with runtime.sessions() as session:
            for project in await enrolment.projects(session):
                table.add_row(project.name, f"{project.at:%Y-%m-%d %H:%M}")
        return table

    Console().print(connection.run(state, work))


async def require(session: AsyncSession, name: str) -> None:
    """NotFound when there is no such project."""
    if await session.get(tables.Project, name) is None:
        raise errors.NotFound(f"there is no project {name}: `strop projects create {name}` makes it")
