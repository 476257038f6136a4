"""What custom-labels measures."""

from prometheus_client import Histogram

HOSTED_SECONDS = Histogram(
    "strop_hosted_seconds",
    "Seconds of a request to the Custom Labels API, by operation and error code (none: success)",
    ["operation", "code"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
)
