"""What the router measures."""

from prometheus_client import Counter

ROUTES = Counter("strop_routes_total", "Routing decisions", ["project", "reason"])
