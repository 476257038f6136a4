"""What ingest measures."""

from datetime import timedelta

from prometheus_client import Counter, Gauge
from sqlalchemy import func

from strop import gauges
from strop_contracts import tables

ONLINE = timedelta(minutes=5)

MQTT_RECEIVED = Counter("strop_mqtt_received_total", "MQTT messages received, by kind", ["kind"])
MQTT_REFUSED = Counter("strop_mqtt_refused_total", "MQTT messages refused, by reason", ["reason"])
CAPTURES = Counter("strop_captures_total", "Captures received for the first time", ["project"])
IMAGES_STORED = Counter("strop_images_stored_total", "Images verified and stored", ["project"])
IMAGES_REFUSED = Counter("strop_images_refused_total", "Images that arrived and were refused, by reason", ["reason"])
USAGE_REFUSED = Counter(
    "strop_usage_refused_total", "Counts of devices not stored: too many boots, models and policies"
)
DEVICES_ONLINE = Gauge("strop_devices_online", "Devices seen within the last five minutes", ["project"])
IMAGES_MISSING = Gauge(
    "strop_images_missing", "Images with a row and without an object, as of the last sweep of the bucket", ["project"]
)

_online = tables.Device.seen_at > func.now() - ONLINE
GAUGES: gauges.Table = ((DEVICES_ONLINE, gauges.count_by(tables.Device.project).where(_online)),)
