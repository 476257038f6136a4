"""Prepare an installation: tables, queues, bucket, the first token and devices. Needs the rights of the tables' owner."""

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path

import structlog
from botocore.exceptions import BotoCoreError
from pydantic import Field, ValidationError
from pydantic_settings import SettingsConfigDict

from custom_labels.projects import control as projects
from ingest import enrolment
from strop import app, members, tokens
from strop.settings import Settings, WithSecrets
from strop_cli import connection
from strop_contracts import errors, topology
from strop_contracts.states import Role

OPERATOR = "operator"
"""User of the token that an installation chooses."""

_SHORTEST = 32  # characters of a token
_MIGRATIONS = Path(__file__).parents[2] / "migrations"


class _Chosen(WithSecrets):
    model_config = SettingsConfigDict(env_prefix="STROP_", extra="ignore")

    token: str | None = Field(
        None, description="the token of the user `operator`, an admin, chosen by the installation"
    )


def settings() -> Settings:
    """Return the settings of the environment. Raises Refused if addresses are missing."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = ", ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        hint = f"`source DIR/{connection.ENV_FILE}` or give --state DIR, the folder of a running `strop up`"
        raise errors.Refused(
            f"setup uses the database and the bucket directly, and the environment lacks their addresses ({wrong}): "
            f"run it on the machine of the platform; {hint}"
        ) from None


async def install(wanted: Settings, devices: Iterable[tuple[str, str]], admin: str | None) -> str | None:
    """Bring everything to what this version needs, and enrol (project, device) pairs; returns a new token of `admin`."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        async with app.runtime(wanted) as runtime:
            await asyncio.to_thread(migrate, wanted.database_url)
            await create(runtime)
            await register(runtime, _Chosen().token)
            token = await _token(runtime, admin) if admin else None
            for project, name in devices:
                await _enrol(runtime, project, name)
            return token
    except BotoCoreError as error:
        raise ConnectionError(str(error)) from error


def migrate(database_url: str) -> None:
    """Bring the tables to what this version needs."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    command.upgrade(config, "head")


async def create(runtime: app.Runtime) -> None:
    """Create the queues, the bucket and its notifications where they are missing."""
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


async def _token(runtime: app.Runtime, user: str) -> str:
    async with runtime.sessions.begin() as session:
        await members.grant(session, user, Role.ADMIN)
        return await tokens.make(session, user, "api")


async def _enrol(runtime: app.Runtime, project: str, name: str) -> None:
    async with runtime.sessions.begin() as session:
        if project not in [each.name for each in await projects.projects(session)]:
            await projects.create(session, project)
        if name not in [each.name for each in await enrolment.devices(session, project)]:
            await enrolment.add_device(session, project, name)
