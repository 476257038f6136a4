"""How `setup` and `datasets` reach database, bucket and queues: by the environment, or by the folder of `strop up`."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import structlog
import typer
from pydantic import ValidationError

from strop import app
from strop.settings import Settings
from strop_cli import envfile, isolation
from strop_contracts import errors

ENV_FILE = "strop.env"

State = Annotated[
    Path | None,
    typer.Option(help="Folder of a running `strop up`. Without it the environment says where everything is."),
]

Found = TypeVar("Found")


def run(state: Path | None, work: Callable[[app.Runtime], Awaitable[Found]]) -> Found:
    """Open the clients, do the work, close them."""
    if state:
        load(state)
    # What a service logs as its news, a command says in its own words.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    return asyncio.run(_run(_settings(), work))


def load(state: Path) -> None:
    """Take over the addresses of the `strop up` that runs on this folder."""
    path = state / ENV_FILE
    if not path.exists():
        raise errors.NotFound(f"{path} is missing: start `strop up --state {state}` first, and wait until it is ready")
    isolation.clean(os.environ)
    os.environ.update(envfile.read(path))


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        wrong = ", ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        hint = f"`source DIR/{ENV_FILE}` or give --state DIR, the folder of a running `strop up`"
        raise errors.Refused(
            f"this command uses the database and the bucket directly, and the environment lacks their addresses ({wrong}): "
            f"run it on the machine of the platform; {hint}"
        ) from None


async def _run(settings: Settings, work: Callable[[app.Runtime], Awaitable[Found]]) -> Found:
    async with app.runtime(settings) as runtime:
        return await work(runtime)
