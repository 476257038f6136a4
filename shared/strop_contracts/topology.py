"""The map of the system: which service's queue gets which event.

Each consuming service has one queue `{prefix}-{service}` and one dead-letter queue `{prefix}-{service}-dlq`. Ingest has a second
queue, for the bucket's events (`storage.EVENTS`).
"""

from strop_contracts import events, services

ROUTES: dict[type[events.Event], tuple[str, ...]] = {
    event: tuple(service.name for service in services.ALL if event in service.consumes)
    for event in events.Event.registry.values()
}

SERVICES = tuple(service.name for service in services.ALL if service.consumes)
"""The services with a queue."""

IMAGES = "ingest-images"
"""The queue of the bucket's events: decisions in ingest's other queue never wait behind images. Both have the same dead-letter
queue, and what is retried from there goes to the other queue."""

QUEUES = (*SERVICES, IMAGES)

VISIBILITY = 60
"""Seconds a received message stays hidden; the consumer's heartbeat prolongs it while the work goes on."""

MAX_RECEIVES = 12
"""After so many receives SQS itself moves a message to the dead-letter queue: with the growing delays of retries a quarter of an
hour, so that some minutes without a database make no dead letters."""


def queues(service: str) -> tuple[str, ...]:
    """Return the queues that a service reads."""
    return (service, IMAGES) if service == services.INGEST.name else (service,)


def dead_letter(queue: str) -> str:
    """Return the dead-letter queue of a queue; a service's own has its name."""
    return f"{services.INGEST.name if queue == IMAGES else queue}-dlq"


def service(queue: str) -> str:
    """Return the service whose queue, or dead-letter queue, this is."""
    return services.INGEST.name if queue == IMAGES else queue.removesuffix("-dlq")
