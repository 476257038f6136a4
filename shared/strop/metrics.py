"""Every metric, in one place: the catalogue in `docs/metrics.md` lists the same."""

from prometheus_client import Counter, Gauge, Histogram

MESSAGES = Counter("strop_messages_total", "Messages taken from a service's queue, by outcome", ["service", "outcome"])
MQTT_RECEIVED = Counter("strop_mqtt_received_total", "MQTT messages taken in, by kind", ["kind"])
MQTT_REFUSED = Counter("strop_mqtt_refused_total", "MQTT messages refused, by reason", ["reason"])
CAPTURES = Counter("strop_captures_total", "Captures received for the first time", ["project"])
IMAGES_STORED = Counter("strop_images_stored_total", "Images verified and stored", ["project"])
IMAGES_REFUSED = Counter("strop_images_refused_total", "Images that arrived and were refused, by reason", ["reason"])
ROUTES = Counter("strop_routes_total", "Routing decisions", ["project", "reason"])
ANNOTATIONS = Counter("strop_annotations_total", "Answers of labelers", ["project", "answer"])
TRAINING_SECONDS = Histogram(
    "strop_training_seconds",
    "Seconds of a training run",
    ["project"],
    buckets=(1, 3, 10, 30, 100, 300, 1000, 3000, 10000),
)
DEPLOYMENT_ANSWERS = Counter(
    "strop_deployment_answers_total", "Devices' answers to a deployment", ["project", "outcome"]
)
DEPLOYMENTS = Counter("strop_deployments_total", "Deployments that ended, by how", ["project", "kind", "state"])
DESIRED_SENT = Counter("strop_desired_sent_total", "`desired` messages that the target has taken", ["project"])
DEAD_LETTERS = Gauge("strop_dead_letters", "Dead letters that wait for a decision", ["service"])
SERVICE_UP = Gauge("strop_service_up", "1 while the service runs in this process", ["service"])
