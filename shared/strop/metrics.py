"""Every metric, in one place: the catalogue in `docs/metrics.md` lists the same."""

from prometheus_client import Counter, Gauge, Histogram

_WAITS = (0.05, 0.1, 0.25, 0.5, 1, 1.5, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43200)

MESSAGES = Counter("strop_messages_total", "Messages taken from a service's queue, by outcome", ["service", "outcome"])
EVENT_SECONDS = Histogram(
    "strop_event_seconds", "Seconds from an event to the end of its handling", ["service", "event"], buckets=_WAITS
)
CAPTURE_SECONDS = Histogram(
    "strop_capture_seconds", "Seconds from the arrival of a capture to a stage of its life", ["stage"], buckets=_WAITS
)
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
HOSTED_SECONDS = Histogram(
    "strop_hosted_seconds",
    "Seconds of a request to the Custom Labels API, by operation and error code (none: success)",
    ["operation", "code"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
)
DEAD_LETTERS = Gauge("strop_dead_letters", "Dead letters that wait for a decision", ["service"])
QUEUE_MESSAGES = Gauge("strop_queue_messages", "Messages in a service's queue, those in hand too", ["service"])
OUTBOX_MESSAGES = Gauge("strop_outbox_messages", "Messages that wait to be sent to a queue; counted up to 100,000")
OUTBOX_OLDEST_SECONDS = Gauge("strop_outbox_oldest_seconds", "How long the oldest of these has waited")
DEVICES_ONLINE = Gauge("strop_devices_online", "Devices heard of within the last five minutes", ["project"])
LABEL_TASKS_OPEN = Gauge("strop_label_tasks_open", "Label tasks that wait for an answer", ["project"])
TRAINING_RUNS = Gauge("strop_training_runs", "Training runs so far, by state", ["project", "state"])
MODEL_VERSIONS = Gauge("strop_model_versions", "Model versions so far, by the gate's verdict", ["project", "state"])
DEPLOYMENT_DEVICES = Gauge(
    "strop_deployment_devices", "Devices by where they are in the deployment they follow", ["project", "state"]
)
SERVICE_UP = Gauge("strop_service_up", "1 while the service runs in this process", ["service"])
