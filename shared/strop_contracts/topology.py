"""The map of the system: which service's queue gets which event.

Each consuming service has one queue `{prefix}-{service}` and one dead-letter queue `{prefix}-{service}-dlq`. Ingest's queue
also takes the bucket's events (`storage.EVENTS`).
"""

from strop_contracts import events

ROUTES: dict[type[events.Event], tuple[str, ...]] = {
    events.CaptureReceived: ("router",),
    events.ImageRequested: ("ingest",),
    events.ImageDeclined: ("ingest",),
    events.ImageStored: ("labeling-queue",),
    events.LabelFiled: ("labeling-queue",),
    events.ImageLabeled: ("labeling-queue",),
    events.TrainingRequested: ("trainer",),
    events.TrainingOrdered: ("trainer",),
    events.ModelRegistered: ("custom-labels",),
    events.TrainingFailed: ("custom-labels",),
    events.DatasetChangeRequested: ("custom-labels",),
    events.ProjectDeletionRequested: ("custom-labels",),
    events.ModelApproved: ("deployer",),
    events.DeviceReported: ("deployer",),
}

SERVICES = ("ingest", "router", "labeling-queue", "trainer", "deployer", "custom-labels")

VISIBILITY = 60
"""Seconds a received message stays hidden; the consumer's heartbeat prolongs it while the work goes on."""

MAX_RECEIVES = 12
"""After so many receives SQS itself moves a message to the dead-letter queue: with the growing delays of retries a quarter of an
hour, so that a database that is away for some minutes makes no dead letters."""


def dead_letter(service: str) -> str:
    return f"{service}-dlq"
