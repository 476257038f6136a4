"""What the router measures."""

from prometheus_client import Counter, Gauge

ROUTES = Counter("strop_routes_total", "Routing decisions", ["project", "reason"])

FIELD_ACCURACY = Gauge(
    "strop_field_accuracy",
    "Estimated share of right predictions in the field, and its interval",
    ["project", "model", "part"],
)
