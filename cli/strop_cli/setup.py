"""`strop setup`: what must be there before the services start. `strop up` does the same for itself."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from custom_labels.projects import control as projects
from ingest import enrolment
from strop import app, members, settings, tokens
from strop_cli import connection
from strop_contracts import errors, topology
from strop_contracts.states import Role

OPERATOR = "operator"
"""User of the token that an installation chooses."""

_SHORTEST = 32  # characters of a token
_MIGRATIONS = Path(__file__).parents[2] / "migrations"


class Settings(settings.WithSecrets):
    model_config = SettingsConfigDict(env_prefix="STROP_", extra="ignore")

    token: str | None = Field(
        None, description="the token of the user `operator`, an admin, chosen by the installation"
    )


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
    admin: Annotated[
        str | None, typer.Option(metavar="NAME", help="Make this user an admin and print a token, the first one.")
    ] = None,
    state: connection.State = None,
) -> None:
    """Migrate the database; create the queues, the bucket and its notifications. Idempotent.

    It needs the database, unlike most commands. A token in STROP_TOKEN, or in the secret `strop_token`, becomes the
    token of the user `operator`, an admin.
    """

    async def work(runtime: app.Runtime) -> None:
        await asyncio.to_thread(migrate, runtime.settings.database_url)
        await make(runtime)
        await register(runtime, Settings().token)
        if admin:
            async with runtime.sessions.begin() as session:
                await members.grant(session, admin, Role.ADMIN)
                print(await tokens.make(session, admin, "api"))
        for project, name in (each.split("/", 1) for each in devices or []):
            await _enrol(runtime, project, name)

    connection.run(state, work)
    print("tables, queues and bucket are ready", file=sys.stderr)  # standard output is for the token


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


async def register(runtime: app.Runtime, token: str | None) -> None:
    """Accept this token as that of an admin from now on. Raises Refused if it is short, so that it may be guessed."""
    if token and len(token) < _SHORTEST:
        raise errors.Refused(
            f"STROP_TOKEN is shorter than {_SHORTEST} characters: `openssl rand -base64 33` prints a good one"
        )
    if token:
        async with runtime.sessions.begin() as session:
            await tokens.register(session, OPERATOR, token)
            await members.grant(session, OPERATOR, Role.ADMIN)


async def _enrol(runtime: app.Runtime, project: str, name: str) -> None:
    async with runtime.sessions.begin() as session:
        if project not in [each.name for each in await projects.projects(session)]:
            await projects.create(session, project)
        if name not in [each.name for each in await enrolment.devices(session, project)]:
            await enrolment.add_device(session, project, name)
