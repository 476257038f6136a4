"""`strop setup` on a database, a bucket and queues that are not there yet."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import select

from strop import app, tokens
from strop.settings import Settings
from strop_contracts import tables, topology
from strop_contracts.states import Role
from strop_devstack.platform.stack import Stack
from tests import users

NAME = f"setup{os.getpid()}"


@pytest.fixture
async def env(stack: Stack) -> AsyncIterator[dict[str, str]]:
    """Where an empty deployment is."""
    base, _, _ = stack.env()["DATABASE_URL"].rpartition("/")
    admin = await asyncpg.connect(f"{base}/postgres")
    await admin.execute(f"create database {NAME}")
    own = {"DATABASE_URL": f"{base}/{NAME}", "STROP_BUCKET": NAME, "STROP_QUEUE_PREFIX": NAME}
    yield {**os.environ, **stack.env(), **own}
    await admin.execute(f"drop database {NAME} with (force)")
    await admin.close()


async def strop(env: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "strop_cli", *arguments]
    return await asyncio.to_thread(subprocess.run, argv, env=env, text=True, capture_output=True, check=False)


async def test_it_makes_what_is_missing_and_leaves_what_is_there(env: dict[str, str]) -> None:
    for devices in (["bottles/line-1"], ["bottles/line-1", "bottles/line-2"]):
        done = await strop(env, "setup", *(f"--device={each}" for each in devices))
        assert done.returncode == 0, done.stderr

    settings = Settings(database_url=env["DATABASE_URL"], bucket=NAME, queue_prefix=NAME)
    async with app.runtime(settings) as runtime:
        assert await runtime.queues.depth("router") == 0
        await runtime.storage.put("key", b"body")
        assert await runtime.queues.receive(topology.IMAGES, wait=5), "the bucket's events reach ingest"
        async with runtime.sessions() as session:
            listed = await session.scalars(select(tables.Device.name).order_by(tables.Device.name))
            assert list(listed) == ["line-1", "line-2"]


async def test_short_token_of_the_environment_is_refused(env: dict[str, str]) -> None:
    done = await strop(env | {"STROP_TOKEN": "guessable"}, "setup")

    assert (done.returncode, "is shorter than 32 characters" in done.stderr) == (1, True)


async def test_token_of_another_user_is_not_registered_for_the_admin(env: dict[str, str]) -> None:
    assert (await strop(env, "setup")).returncode == 0
    async with app.runtime(Settings(database_url=env["DATABASE_URL"])) as runtime:
        async with runtime.sessions.begin() as session:
            token = await users.token(session, "a-program", "api")

        done = await strop(env | {"STROP_TOKEN": token}, "setup")

        assert (done.returncode, "belongs to another user" in done.stderr) == (1, True)
        async with runtime.sessions() as session:
            assert await tokens.user(session, token, "api") == "a-program"
            assert not await session.scalar(select(tables.Membership.user).where(tables.Membership.user == "operator"))


async def test_admins_token_is_printed_or_taken_from_the_environment(env: dict[str, str]) -> None:
    chosen = "chosen" * 6
    done = await strop(env | {"STROP_TOKEN": chosen}, "setup", "--admin=ann")
    assert done.returncode == 0, done.stderr
    printed = done.stdout.strip()

    async with app.runtime(Settings(database_url=env["DATABASE_URL"])) as runtime, runtime.sessions() as session:
        for token, user in ((printed, "ann"), (chosen, "operator")):
            caller = await tokens.caller(session, token, "api", "api")
            assert caller is not None
            assert (caller.name, caller.may(Role.ADMIN)) == (user, True)


async def test_a_device_without_its_project_is_refused_in_one_line(env: dict[str, str]) -> None:
    done = await strop(env, "setup", "--device=line-1")
    assert done.returncode != 0
    assert "PROJECT/NAME" in done.stderr
    assert "Traceback" not in done.stderr
