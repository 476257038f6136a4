"""The option `--state`: take over the addresses of a `strop up` that runs on this machine."""

import os
from pathlib import Path
from typing import Annotated

import typer

from strop_cli import envfile, isolation
from strop_contracts import errors

ENV_FILE = "strop.env"

State = Annotated[
    Path | None, typer.Option(help="Folder of a running `strop up`; else the environment has the addresses.")
]


def load(state: Path) -> None:
    """Set the environment variables of the `strop up` that runs on this folder. Raises NotFound if none runs."""
    path = state / ENV_FILE
    if not path.exists():
        raise errors.NotFound(f"{path} is missing: start `strop up --state {state}` first, and wait until it is ready")
    isolation.clean(os.environ)
    os.environ.update(envfile.read(path))
