"""What the router removes of a deleted project: the rows of its tables."""

from strop import app, clearing
from strop_contracts import services


def of(runtime: app.Runtime) -> clearing.Clearing:
    return clearing.Clearing(runtime, services.ROUTER)
