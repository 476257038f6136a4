"""The training backends: a module each, chosen by name with `STROP_TRAINER_BACKEND`.

A new backend is a module with a class that follows `base.Backend` and a function `build`, and a name in NAMES. A module is
imported only where it trains: the service itself needs none of its libraries.
"""

import importlib
from collections.abc import Mapping
from typing import Any

from trainer.backends import base

NAMES = ("head", "finetune", "constant")


def check(name: str) -> str:
    """Return the name; ValueError lists the names there are."""
    if name not in NAMES:
        raise ValueError(f"backend: expected one of {', '.join(NAMES)}, got {name!r}")
    return name


def build(name: str, options: Mapping[str, Any]) -> base.Backend:
    """Make the backend of this name; CannotTrain if it does not exist or does not accept the options."""
    try:
        module = importlib.import_module(f"{__name__}.{check(name)}")
        backend: base.Backend = module.build(options)
    except ValueError as error:  # pydantic's errors are
        raise base.CannotTrain(" ".join(str(error).split())) from error
    return backend
