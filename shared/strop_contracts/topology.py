"""The map of the system: which service's queue gets which event.

Each consuming service has one queue `{prefix}-{service}` and one dead-letter queue `{prefix}-{service}-dlq`. Ingest's queue
also takes the bucket's events (`storage.EVENTS`).
"""

from strop_contracts import events, services

ROUTES: dict[type[events.Event], tuple[str, ...]] = {
    event: tuple(service.name for service in services.ALL if event in service.consumes)
    for event in events.Event.registry.values()
}

SERVICES = tuple(service.name for service in services.ALL if service.consumes)
"""The services with a queue."""

VISIBILITY = 60
"""Seconds a received message stays hidden; the consumer's heartbeat prolongs it while the work goes on."""

MAX_RECEIVES = 12
"""After so many receives SQS itself moves a message to the dead-letter queue: with the growing delays of retries a quarter of an
hour, so that a database that is away for some minutes makes no dead letters."""


def dead_letter(service: str) -> str:
    return f"{service}-dlq"
