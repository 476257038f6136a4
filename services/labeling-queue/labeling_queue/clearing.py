"""What the labeling queue removes of a deleted project: the rows of its tables, the roles of users in it, and objects."""

from strop import app, clearing
from strop_contracts import keys, services, tables


def of(runtime: app.Runtime) -> clearing.Clearing:
    return clearing.Clearing(runtime, services.LABELING_QUEUE, (keys.LABELED, keys.UPLOADS), (tables.Membership,))
