"""The metrics of the kernel. Each service declares its own in its `metrics` module; `docs/metrics.md` lists all of them."""

from prometheus_client import Counter, Gauge, Histogram

WAITS = (0.05, 0.1, 0.25, 0.5, 1, 1.5, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43200)
"""Buckets of seconds for what waits in queues."""

MESSAGES = Counter("strop_messages_total", "Messages taken from a service's queue, by outcome", ["service", "outcome"])
EVENT_SECONDS = Histogram(
    "strop_event_seconds", "Seconds from an event to the end of its handling", ["service", "event"], buckets=WAITS
)
CAPTURE_SECONDS = Histogram(
    "strop_capture_seconds", "Seconds from the arrival of a capture to a stage of its life", ["stage"], buckets=WAITS
)
"""Several services observe it, each its own stage."""
MQTT_DROPPED = Counter("strop_mqtt_dropped_total", "MQTT messages at QoS 0 dropped because too many waited")
BROKER_CERTIFICATE_EXPIRES = Gauge(
    "strop_broker_certificate_expires_timestamp_seconds",
    "Unix time at which the certificate of the MQTT broker expires",
)
DEAD_LETTERS = Gauge("strop_dead_letters", "Dead letters that wait for a decision", ["service"])
QUEUE_MESSAGES = Gauge("strop_queue_messages", "Messages in a service's queue, with those in progress", ["service"])
OUTBOX_MESSAGES = Gauge("strop_outbox_messages", "Messages that wait to be sent to a queue; counted up to 100,000")
OUTBOX_OLDEST_SECONDS = Gauge("strop_outbox_oldest_seconds", "Age of the oldest of these")
WAITING_OLDEST_SECONDS = Gauge(
    "strop_waiting_oldest_seconds", "Age of the oldest row that waits for an event, by kind", ["service", "kind"]
)
EVENTS_REPEATED = Counter(
    "strop_events_repeated_total", "Events emitted again because their rows waited too long", ["service", "event"]
)
SERVICE_UP = Gauge("strop_service_up", "1 while the service runs in this process", ["service"])
