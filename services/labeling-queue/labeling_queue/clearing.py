"""What the labeling queue removes of a deleted project: the rows of its tables, and objects."""

from strop import app, clearing
from strop_contracts import services

PREFIXES = ("labeled_field_data/", "raw_field_data/")
"""Below the project's folder of the bucket."""


def of(runtime: app.Runtime) -> clearing.Clearing:
    return clearing.Clearing(runtime, services.LABELING_QUEUE, PREFIXES)
