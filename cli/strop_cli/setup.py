"""`strop setup`: what must be there before the services start. `strop up` does the same for itself."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from ingest import enrolment
from strop import app
from strop_cli import connection
from strop_contracts import topology

_MIGRATIONS = Path(__file__).parents[2] / "migrations"


def _pairs(given: list[str] | None) -> list[str] | None:
    for each in given or []:
        if each.count("/") != 1:
            raise typer.BadParameter(f"{each!r} is not PROJECT/NAME")
    return given


def setup(
    devices: Annotated[
        list[str] | None,
        typer.Option("--device", metavar="PROJECT/NAME", callback=_pairs, help="Enrol this device if it is not."),
    ] = None,
    state: connection.State = None,
) -> None:
    """Bring the tables up to date; make the queues, the bucket and its notifications. Safe to run again."""

    async def work(runtime: app.Runtime) -> None:
        await asyncio.to_thread(migrate, runtime.settings.database_url)
        await make(runtime)
        for project, name in (each.split("/", 1) for each in devices or []):
            await _enrol(runtime, project, name)

    connection.run(state, work)
    print("tables, queues and bucket are ready")


def migrate(database_url: str) -> None:
    """Bring the tables to what this version needs."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    command.upgrade(config, "head")


async def make(runtime: app.Runtime) -> None:
    """Make the queues, the bucket and its notifications where they are missing."""
    await runtime.queues.create()
    await runtime.queues.allow_s3(topology.IMAGES, runtime.storage.bucket)  # AWS refuses the notifications otherwise
    await runtime.storage.create(await runtime.queues.arn(topology.IMAGES))


async def _enrol(runtime: app.Runtime, project: str, name: str) -> None:
    async with runtime.sessions.begin() as session:
        if project not in [each.name for each in await enrolment.projects(session)]:
            await enrolment.create_project(session, project)
        if name not in [each.name for each in await enrolment.devices(session, project)]:
            await enrolment.add_device(session, project, name)
