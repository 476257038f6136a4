"""What ingest removes of a deleted project: the rows of its tables, and objects."""

from strop import app, clearing
from strop_contracts import keys, services


def of(runtime: app.Runtime) -> clearing.Clearing:
    return clearing.Clearing(runtime, services.INGEST, (keys.UPLOADS, keys.DATASETS, keys.IMAGES))
