"""What ingest reads and writes in Postgres, a module per subject. Nothing here commits.

Rows are written in the order of their keys: two replicas that receive the same messages then wait for each other without a
deadlock.
"""

from ingest.queries import captures, dataset_items, devices, enrolment, images, labels, sweep, uploads, usage
from ingest.queries.uploads import Decided

__all__ = [
    "Decided",
    "captures",
    "dataset_items",
    "devices",
    "enrolment",
    "images",
    "labels",
    "sweep",
    "uploads",
    "usage",
]
