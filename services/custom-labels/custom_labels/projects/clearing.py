"""What custom-labels removes of a deleted project: the rows of its tables, and objects."""

from strop import app, clearing
from strop_contracts import services

PREFIXES = ("datasets/orders/", "datasets/changes/", "models/copies/", "images/")
"""Below the project's folder of the bucket."""


def of(runtime: app.Runtime) -> clearing.Clearing:
    return clearing.Clearing(runtime, services.CUSTOM_LABELS, PREFIXES)
